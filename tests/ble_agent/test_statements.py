"""Statements: who may make one, when it counts, what it leaves, and the cure of a stolen key."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ble_agent.errors import StoreFull
from schema.codec import Malformed, encode
from schema.codes import Code
from schema.cose import Aad, sign_object
from schema.handshake import OpenRequest
from schema.ids import EVERY_LOCKER, KeyId, LockerId, StayId, TokenId
from schema.journal import Kind
from schema.keys import KeyEntry, Operation, Role
from schema.statements import (
    Acknowledgement,
    Configuration,
    KeySetStatement,
    Revocations,
    StatementType,
    Time,
    parse_statement,
    time_nonce,
)
from tests.ble_agent.asking import code_of
from tests.ble_agent.standing import DAY, ISSUER, KEYS, NOW, ROOT, SERVICE, Standing, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from schema.statements import Statement

STAY = StayId(b"stay0001")
OTHER_LID = LockerId(b"elsewher")
NEXT = KeyId(b"\x00\x11")


def bring(
    standing: Standing, *statements: tuple[StatementType, bytes], nonce: bytes | None = None
) -> Code:
    """What the locker answers to statements alone."""
    parsed = tuple(parse_statement(kind, raw) for kind, raw in statements)
    refused = standing.locker.apply(parsed, nonce=nonce)
    return code_of(refused) if refused else Code.OK


def seqs(standing: Standing) -> tuple[int, int, int]:
    hello = standing.locker.hello()
    return hello.rev, hello.keys, hello.cfg


def rotated(*, without: KeyId = ISSUER) -> tuple[KeyEntry, ...]:
    """The key set with a new issuer in place of the old one."""
    fresh = replace(KEYS[0], kid=NEXT, public=key_of("next issuer").public)
    return (*(key for key in KEYS if key.kid != without), fresh)


async def test_each_applied_list_key_set_and_configuration_has_one_line(standing: Standing) -> None:
    before = len(standing.journal())
    assert bring(standing, standing.revocations(1), standing.configuration({}, 1)) == Code.OK
    assert bring(standing, standing.key_set(2)) == Code.OK
    assert standing.journal()[before:] == [
        (Kind.STATEMENT, [b"SLK1-rev", 1]),
        (Kind.STATEMENT, [b"SLK1-cfg", 1]),
        (Kind.STATEMENT, [b"SLK1-key", 2]),
    ]
    assert seqs(standing) == (1, 2, 1)


async def test_a_statement_that_finds_no_room_is_told_so(folder: Path) -> None:
    small = await Standing(folder / "state", max_bytes=600 * 1024).start()
    await small.set_up()
    with suppress(StoreFull):
        while True:
            with small.locker.journal.record("fill") as record:
                record.append(Kind.POWER, [1])
    assert bring(small, *(small.revocations(seq) for seq in (1, 2, 3))) == Code.STORAGE_FULL
    await small.stop()


async def test_an_acknowledgement_writes_nothing(standing: Standing) -> None:
    before = len(standing.journal())
    assert bring(standing, standing.acknowledgement()) == Code.OK
    assert standing.locker.hello().acked == before == len(standing.journal())


@pytest.mark.parametrize(
    "change",
    [
        {"lid": OTHER_LID},
        {"seq": 5},
        {"seq": 4},
        {"seq": 0},
        {"seq": 5 + (1 << 20) + 1},
        {"min_iat": NOW - 49},
        {"iat": NOW + 122, "min_iat": 0},
    ],
    ids=lambda change: " ".join(f"{key}={value}" for key, value in change.items()),
)
async def test_what_is_ignored_has_no_effect_and_is_no_error(
    standing: Standing, change: dict[str, Any]
) -> None:
    assert bring(standing, standing.revocations(5)) == Code.OK
    before = (standing.journal(), standing.locker.statements.trust(), standing.locker.hello())
    body = Revocations(standing.lid, 6, NOW - 50, NOW - 50, ((b"revoked!", NOW),))
    assert bring(standing, standing.signed(replace(body, **change))) == Code.OK
    now = (standing.journal(), standing.locker.statements.trust(), standing.locker.hello())
    assert now == before


@pytest.mark.parametrize("change", [{"seq": 5 + (1 << 20)}, {"iat": NOW + 120}, {"min_iat": NOW}])
async def test_what_is_just_within_bounds_counts(
    standing: Standing, change: dict[str, Any]
) -> None:
    assert bring(standing, standing.revocations(5)) == Code.OK
    body = Revocations(standing.lid, 6, NOW, 0, ())
    assert bring(standing, standing.signed(replace(body, **change))) == Code.OK
    assert standing.locker.hello().rev == change.get("seq", 6)


async def test_at_quality_0_a_date_ahead_is_no_reason_to_ignore(standing: Standing) -> None:
    await standing.restart()
    floor = standing.locker.journal.clock.floor
    assert bring(standing, standing.revocations(1, iat=floor + 5 * DAY)) == Code.OK
    assert standing.locker.journal.clock.now() == floor + 5 * DAY


async def test_a_statement_for_every_locker_counts(standing: Standing) -> None:
    body = Revocations(EVERY_LOCKER, 3, NOW, NOW - 10, ())
    assert bring(standing, standing.signed(body)) == Code.OK
    assert standing.locker.hello().rev == 3


@pytest.mark.parametrize(
    ("signer", "expected"),
    [
        (("stranger", ISSUER), Code.BAD_SIGNATURE),
        (("issuer", KeyId(b"\x77\x77")), Code.BAD_SIGNATURE),
        (("service", SERVICE), Code.OUT_OF_SCOPE),
        (("root", ROOT), Code.BAD_SIGNATURE),
    ],
)
async def test_only_a_living_key_with_sync_makes_statements(
    standing: Standing, signer: tuple[str, KeyId], expected: Code
) -> None:
    bodies: list[Statement] = [
        Revocations(standing.lid, 1, NOW, 0, ()),
        Configuration(standing.lid, 1, NOW, {}),
        Time(standing.lid, NOW, bytes(16)),
        Acknowledgement(standing.lid, NOW, 1, bytes(32)),
    ]
    for body in bodies:
        assert bring(standing, standing.signed(body, signer=signer)) == expected


@pytest.mark.parametrize("iat", [NOW - DAY - 1, NOW + 45 * DAY + 1])
async def test_a_key_makes_statements_within_its_life_only(standing: Standing, iat: int) -> None:
    body = Revocations(standing.lid, 1, iat, 0, ())
    assert bring(standing, standing.signed(body)) == Code.OUT_OF_SCOPE
    assert bring(standing, standing.signed(Time(standing.lid, iat, bytes(16)))) == Code.OUT_OF_SCOPE


async def test_only_a_root_changes_the_keys(standing: Standing) -> None:
    body = KeySetStatement(standing.lid, 2, NOW, KEYS)
    assert bring(standing, standing.signed(body)) == Code.BAD_SIGNATURE
    forged = standing.signed(body, signer=("issuer", ROOT))
    assert bring(standing, forged) == Code.BAD_SIGNATURE
    assert standing.locker.hello().keys == 1


async def test_no_signed_type_passes_as_another(standing: Standing) -> None:
    raw = standing.signed(Acknowledgement(standing.lid, NOW, 1, bytes(32)))[1]
    configuration = standing.configuration({})[1]
    for kind in (StatementType.REVOCATIONS, StatementType.TIME, StatementType.KEY_SET):
        report = await standing.ask(
            Operation.SYNC, None, (kind, raw), (kind, configuration), role=Role.COURIER
        )
        assert report.code == Code.BAD_FORMAT


async def test_the_first_that_fails_ends_it_and_those_before_stay(standing: Standing) -> None:
    bad = standing.signed(Revocations(standing.lid, 1, NOW, 0, ()), signer=("service", SERVICE))
    found = bring(standing, standing.configuration({}, 4), bad, standing.revocations(9))
    assert found == Code.OUT_OF_SCOPE
    assert seqs(standing) == (0, 1, 4)


async def test_statements_are_applied_before_the_token_is_judged(standing: Standing) -> None:
    await standing.deposit(STAY)
    token = standing.token(Operation.OPEN, stay=STAY, minrev=1)
    assert (await standing.ask(Operation.OPEN, token=token)).code == Code.REVOCATIONS_NEEDED
    served = await standing.ask(Operation.OPEN, None, standing.revocations(1), token=token)
    assert served.code == Code.OK
    await standing.pass_time(3)


@pytest.mark.parametrize("what", ["cti", "stay", "min_iat"])
async def test_a_revoked_token_opens_nothing(standing: Standing, what: str) -> None:
    await standing.deposit(STAY)
    cti = TokenId(b"cti00001")
    ids: tuple[bytes, ...] = {"cti": (cti,), "stay": (STAY,)}.get(what, ())
    rev = standing.revocations(1, *ids, min_iat=NOW - 59 if what == "min_iat" else 0)
    report = await standing.ask(Operation.OPEN, None, rev, stay=STAY, cti=cti)
    assert report.code == Code.REVOKED


class TestLists:
    """Lists are complete; `min_iat` alone only grows."""

    async def test_the_newest_list_replaces_the_former(self, standing: Standing) -> None:
        bring(standing, standing.revocations(1, b"revoked1"), standing.revocations(2, b"revoked2"))
        assert standing.locker.statements.trust().revoked.ids == {b"revoked2"}

    async def test_an_older_list_after_a_newer_changes_nothing(self, standing: Standing) -> None:
        bring(standing, standing.revocations(2, b"revoked2"), standing.revocations(1))
        assert standing.locker.statements.trust().revoked.ids == {b"revoked2"}
        await standing.restart()
        assert standing.locker.statements.trust().revoked.ids == {b"revoked2"}

    async def test_min_iat_only_grows(self, standing: Standing) -> None:
        bring(standing, standing.revocations(1, min_iat=NOW - 60))
        bring(standing, standing.revocations(2, min_iat=NOW - 90))
        assert standing.locker.statements.trust().revoked.min_iat == NOW - 60

    async def test_the_newest_configuration_replaces_the_former(self, standing: Standing) -> None:
        bring(standing, standing.configuration({1: True, 2: 30, 16: b"ours"}, 1))
        trust = standing.locker.statements.trust()
        assert (trust.asks_presence, trust.close_overdue_s) == (True, 30)
        bring(standing, standing.configuration({}, 2))
        trust = standing.locker.statements.trust()
        assert (trust.asks_presence, trust.close_overdue_s) == (False, 120)

    @pytest.mark.parametrize("values", [{2: 29}, {2: 3601}, {1: 1}, {2: True}])
    async def test_a_configuration_out_of_bounds_is_no_configuration(
        self, standing: Standing, values: dict[int, Any]
    ) -> None:
        payload = encode([standing.lid, 1, NOW, values])
        raw = sign_object(key_of("issuer"), Aad.CONFIGURATION, payload, ISSUER)
        statement = (StatementType.CONFIGURATION, raw)
        report = await standing.ask(Operation.SYNC, None, statement, role=Role.COURIER)
        assert report.code == Code.BAD_FORMAT


class TestStolenKey:
    """A stolen online key can do harm within bounds, and a root's key set undoes it."""

    async def test_a_new_key_set_forgets_what_the_old_signer_said(self, standing: Standing) -> None:
        await standing.deposit(STAY)
        harm = Revocations(EVERY_LOCKER, 1 << 20, NOW + 120, NOW + 120, ((STAY, NOW),))
        config = Configuration(EVERY_LOCKER, 1 << 20, NOW + 120, {1: True, 2: 3600})
        assert bring(standing, standing.signed(harm), standing.signed(config)) == Code.OK
        assert (await standing.ask(Operation.OPEN, stay=STAY)).code == Code.REVOKED
        assert bring(standing, standing.key_set(2, rotated())) == Code.OK
        assert seqs(standing) == (0, 2, 0)
        trust = standing.locker.statements.trust()
        assert (trust.revoked.ids, trust.revoked.min_iat) == (frozenset(), 0)
        assert (trust.asks_presence, trust.close_overdue_s) == (False, 120)
        served = await standing.ask(
            Operation.OPEN, stay=STAY, signer=("next issuer", NEXT), iat=NOW - 10
        )
        assert served.code == Code.OK
        await standing.pass_time(3)

    async def test_the_new_signers_lists_travel_with_it(self, standing: Standing) -> None:
        bring(standing, standing.revocations(900))
        rev = standing.signed(
            Revocations(standing.lid, 7, NOW, 0, ()), signer=("next issuer", NEXT)
        )
        assert bring(standing, standing.key_set(2, rotated()), rev) == Code.OK
        assert seqs(standing) == (7, 2, 0)

    async def test_the_same_kid_with_another_key_is_another_signer(
        self, standing: Standing
    ) -> None:
        bring(standing, standing.revocations(5, min_iat=NOW - 55))
        swapped = replace(KEYS[0], public=key_of("next issuer").public)
        assert bring(standing, standing.key_set(2, (swapped, *KEYS[1:]))) == Code.OK
        assert standing.locker.hello().rev == 0
        assert standing.locker.statements.trust().revoked.min_iat == 0

    async def test_a_signer_without_rights_is_forgotten_too(self, standing: Standing) -> None:
        bring(standing, standing.revocations(5, min_iat=NOW - 55))
        idle = replace(KEYS[0], actions=0)
        assert bring(standing, standing.key_set(2, (idle, *KEYS[1:]))) == Code.OK
        assert standing.locker.hello().rev == 0

    async def test_a_signer_that_stays_keeps_its_lists(self, standing: Standing) -> None:
        bring(standing, standing.revocations(5, min_iat=NOW - 55))
        assert bring(standing, standing.key_set(2, rotated(without=SERVICE))) == Code.OK
        assert standing.locker.hello().rev == 5
        assert standing.locker.statements.trust().revoked.min_iat == NOW - 55

    async def test_min_iat_belongs_to_the_signer_that_raised_it(self, standing: Standing) -> None:
        bring(standing, standing.revocations(1, min_iat=NOW - 55))
        bring(standing, standing.key_set(2, rotated(without=SERVICE)))
        second = Revocations(standing.lid, 2, NOW, NOW - 70, ())
        bring(standing, standing.signed(second, signer=("next issuer", NEXT)))
        assert standing.locker.statements.trust().revoked.min_iat == NOW - 55
        bring(standing, standing.key_set(3, rotated()))
        assert standing.locker.statements.trust().revoked.min_iat == NOW - 70
        assert standing.locker.hello().rev == 2

    async def test_what_it_signed_is_dead_with_it(self, standing: Standing) -> None:
        await standing.deposit(STAY)
        bring(standing, standing.key_set(2, rotated()))
        assert (await standing.ask(Operation.OPEN, stay=STAY)).code == Code.BAD_SIGNATURE
        assert bring(standing, standing.revocations(1)) == Code.BAD_SIGNATURE


class TestClock:
    """Time comes bound to its own hello; the floor rises by what a server signed."""

    async def test_time_of_another_hello_is_ignored(self, standing: Standing) -> None:
        await standing.restart()
        visitor = await standing.visit()
        former = await visitor.greet()
        await visitor.greet()
        time = standing.time(former, NOW + 500)
        assert bring(standing, time, nonce=b"another hello :)") == Code.OK
        assert standing.locker.hello().clockq == 0

    async def test_time_in_a_session_frame_is_ignored(self, standing: Standing) -> None:
        visitor = await standing.visit()
        hello = await visitor.greet()
        token = standing.token(Operation.SYNC, role=Role.COURIER)
        await visitor.ask(token, OpenRequest(Operation.SYNC))
        await visitor.sync(standing.time(hello, NOW + 5000))
        assert standing.locker.hello().now < NOW + 5000

    async def test_time_sets_clock_and_floor_also_backwards(self, standing: Standing) -> None:
        hello = b"any hello"
        before = len(standing.journal())
        assert bring(standing, standing.time(hello, NOW - 5000), nonce=time_nonce(hello)) == Code.OK
        clock = standing.locker.journal.clock
        assert (clock.now(), clock.floor, int(clock.quality)) == (NOW - 5000, NOW - 5000, 2)
        assert standing.journal()[before:] == [(Kind.CLOCK, [NOW, NOW - 5000, 2])]

    async def test_a_line_is_written_for_a_step_beyond_ten_seconds_or_a_new_quality(
        self, standing: Standing
    ) -> None:
        before = len(standing.journal())
        hello = b"any hello"
        for n in range(100):
            assert bring(standing, standing.time(hello, NOW + n % 10), nonce=time_nonce(hello)) == 0
        assert standing.kinds(before) == []
        bring(standing, standing.time(hello, NOW + 9 + 11), nonce=time_nonce(hello))
        assert standing.journal()[before:] == [(Kind.CLOCK, [NOW + 9, NOW + 20, 2])]
        await standing.restart()
        before = len(standing.journal())
        bring(standing, standing.time(hello, NOW + 20), nonce=time_nonce(hello))
        assert standing.journal()[before:] == [(Kind.CLOCK, [NOW + 20, NOW + 20, 2])]

    async def test_statements_raise_the_floor_to_now_at_most(self, standing: Standing) -> None:
        await standing.pass_time(100)
        bring(standing, standing.revocations(1, iat=NOW + 60))
        assert standing.locker.journal.clock.floor == NOW + 60
        bring(standing, standing.revocations(2, iat=NOW + 200))
        assert standing.locker.journal.clock.floor == NOW + 100
        await standing.restart()
        assert standing.locker.hello().now == NOW + 100

    async def test_an_accepted_token_raises_the_floor_a_refused_one_does_not(
        self, standing: Standing
    ) -> None:
        await standing.deposit(STAY)
        await standing.pass_time(1000)
        floor = standing.locker.journal.clock.floor
        refused = await standing.ask(Operation.OPEN, 4, stay=STAY, iat=NOW + 900)
        assert refused.code == Code.OUT_OF_SCOPE
        assert standing.locker.journal.clock.floor == floor
        assert (await standing.ask(Operation.OPEN, stay=STAY, iat=NOW + 900)).code == Code.OK
        assert standing.locker.journal.clock.floor == NOW + 900
        await standing.pass_time(3)

    async def test_a_dead_clock_serves_the_recipient_and_nobody_else_until_a_phone_brings_time(
        self, standing: Standing
    ) -> None:
        await standing.deposit(STAY)
        await standing.restart()
        courier = await standing.ask(Operation.DEPOSIT, stay=StayId(b"stay0002"))
        assert courier.code == Code.CLOCK_UNTRUSTED
        assert (await standing.ask(Operation.SYNC, role=Role.HUB)).code == Code.CLOCK_UNTRUSTED
        assert (await standing.ask(Operation.OPEN, stay=STAY)).code == Code.OK
        await standing.pass_time(3)
        await standing.set_time(NOW + 50)
        served = await standing.ask(Operation.DEPOSIT, stay=StayId(b"stay0002"))
        assert served.code == Code.OK
        await standing.pass_time(3)

    async def test_uses_are_pruned_by_signed_time_only(self, standing: Standing) -> None:
        token = standing.token(Operation.INSPECT, comps=(1,), exp=NOW + 60)
        assert (await standing.ask(Operation.INSPECT, 1, token=token)).code == Code.OK
        await standing.pass_time(30 * DAY)
        assert used(standing) == 1
        await standing.set_time(NOW + 180)
        assert used(standing) == 1
        await standing.set_time(NOW + 181)
        assert used(standing) == 0
        assert (await standing.ask(Operation.INSPECT, 1, token=token)).code == Code.EXPIRED


def used(standing: Standing) -> int:
    with standing.locker.store.reading() as connection:
        return int(connection.execute("SELECT count(*) FROM uses").fetchone()[0])


class TestAcknowledgement:
    """It counts only for the locker's own head, and forwards."""

    async def test_another_head_does_not_count(self, standing: Standing) -> None:
        tail = standing.locker.journal.tail()
        for seq, head in ((tail.seq, bytes(32)), (tail.seq - 1, tail.head), (999, tail.head)):
            ack = standing.signed(Acknowledgement(standing.lid, NOW, seq, head))
            assert bring(standing, ack) == Code.OK
        assert standing.locker.hello().acked == 0

    async def test_it_does_not_go_back(self, standing: Standing) -> None:
        bring(standing, standing.acknowledgement(3), standing.acknowledgement(1))
        assert standing.locker.hello().acked == 3

    async def test_a_date_ahead_does_not_count(self, standing: Standing) -> None:
        bring(standing, standing.acknowledgement(iat=NOW + 121))
        assert standing.locker.hello().acked == 0
        bring(standing, standing.acknowledgement(iat=NOW + 120))
        assert standing.locker.hello().acked > 0

    async def test_it_is_never_for_every_locker(self, standing: Standing) -> None:
        tail = standing.locker.journal.tail()
        with pytest.raises(Malformed):
            standing.signed(Acknowledgement(EVERY_LOCKER, NOW, tail.seq, tail.head))
