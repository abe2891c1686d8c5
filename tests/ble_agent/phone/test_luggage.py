"""What a phone brings, in which order, and how much of it one message takes."""

from __future__ import annotations

from ble_agent.phone.luggage import Carried, newer_than, part_for_request, part_for_sync
from schema.gatt import MAX_MESSAGE
from schema.handshake import Hello, OpenRequest, PhoneVisit, prologue
from schema.ids import LockerId
from schema.keys import Operation
from schema.noise import Initiator, x25519_public
from schema.statements import (
    Acknowledgement,
    Configuration,
    KeySetStatement,
    Revocations,
    Statement,
    StatementType,
    Time,
    sign_statement,
)
from tests.ble_agent.standing import ISSUER, KEYS, NOW, STATEMENT_TYPES, key_of

LID = LockerId(b"locker01")
HELLO = Hello(LID, rev=3, keys=1, cfg=0, now=NOW, clockq=2, acked=10, seq=20)


def carried(body: Statement) -> Carried:
    return STATEMENT_TYPES[type(body)], sign_statement(key_of("issuer"), ISSUER, body)


def revocations(seq: int, count: int = 0) -> Carried:
    entries = tuple((seq.to_bytes(4, "big") + n.to_bytes(4, "big"), NOW) for n in range(count))
    return carried(Revocations(LID, seq, NOW, 0, entries))


def acknowledgement(upto_seq: int) -> Carried:
    return carried(Acknowledgement(LID, NOW, upto_seq, bytes(32)))


KEY_SET = carried(KeySetStatement(LID, 2, NOW, KEYS))
CONFIGURATION = carried(Configuration(LID, 1, NOW, {}))


def test_only_what_is_newer_travels_and_keys_go_first() -> None:
    statements = (
        acknowledgement(11),
        acknowledgement(10),
        CONFIGURATION,
        revocations(4),
        revocations(3),
        KEY_SET,
        carried(Time(LID, NOW, bytes(16))),
    )
    news = newer_than(HELLO, statements)
    assert news == (KEY_SET, revocations(4), CONFIGURATION, acknowledgement(11))


def test_what_does_not_fit_waits_and_smaller_ones_go_all_the_same() -> None:
    wide = tuple(revocations(seq, 40) for seq in (4, 5, 6))
    kept, left = part_for_request((bytes(230),), (*wide, CONFIGURATION), time=None)
    assert kept == (wide[0], CONFIGURATION)
    assert left == wide[1:]
    assert part_for_sync(left) == (left[:1], left[1:])


def test_time_travels_in_any_case_and_last() -> None:
    kept, left = part_for_request((bytes(230),), (revocations(4, 40), KEY_SET), time=bytes(100))
    assert [kind for kind, _ in kept] == [StatementType.REVOCATIONS, StatementType.TIME]
    assert left == (KEY_SET,)


def test_a_message_takes_four_statements() -> None:
    news = tuple(acknowledgement(seq) for seq in range(11, 17))
    kept, left = part_for_sync(news)
    assert (kept, left) == (news[:4], news[4:])
    kept, left = part_for_request((bytes(230),), news, time=bytes(100))
    assert (kept[:3], len(kept), left) == (news[:3], 4, news[3:])


def test_what_no_message_takes_is_left_at_home() -> None:
    monster = (StatementType.CONFIGURATION, bytes(MAX_MESSAGE))
    assert part_for_sync((monster, CONFIGURATION)) == ((CONFIGURATION,), ())


def test_a_request_filled_to_the_brim_is_one_message() -> None:
    """Sizes are reckoned, not tried: a byte too many would lose the whole visit."""
    chain, holder = (bytes(300),), key_of("phone")
    for spare in range(40):
        filler = (StatementType.CONFIGURATION, bytes(1400 - 300 - 126 - 3 - 5 - spare))
        kept, _ = part_for_request(chain, (filler,), time=None)
        hello = Initiator(prologue(LID), static=bytes(32), ephemeral=bytes([1] * 32)).write(
            HELLO.encode()
        )
        visit = PhoneVisit(
            hello,
            lid=LID,
            locker_static=x25519_public(bytes(32)),
            ephemeral=bytes([2] * 32),
        )
        request = OpenRequest(Operation.OPEN, 200, 99)
        message = visit.write_request(chain, request, holder, kept)
        assert len(message) <= MAX_MESSAGE
        if kept:
            assert len(message) >= MAX_MESSAGE - spare - 8
