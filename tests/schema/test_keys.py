"""What a key may sign, for how long and when; which key of a set is which."""

from __future__ import annotations

import hashlib

import pytest

from schema.codec import Malformed
from schema.ids import KeyId
from schema.keys import (
    KeySet,
    Operation,
    Roots,
    bare_code,
    enrolment_message,
    parse_key_entries,
)
from tests.schema.makers import LID, NOW, ROOT_KID, make_key_entry, seed, signing_key

LIFE = {"nbf": NOW, "exp": NOW + 1000, "max_ttl": 600}
KEY = make_key_entry(1, actions=int(Operation.OPEN | Operation.DEPOSIT), **LIFE)


@pytest.mark.parametrize(
    ("actions", "nbf", "exp", "allowed"),
    [
        (Operation.OPEN, NOW, NOW + 600, True),
        (Operation.OPEN | Operation.DEPOSIT, NOW + 400, NOW + 1000, True),
        (0, NOW, NOW, True),
        (Operation.OPEN, NOW, NOW + 601, False),
        (Operation.OPEN, NOW + 1, NOW, False),
        (Operation.OPEN, NOW - 1, NOW + 10, False),
        (Operation.OPEN, NOW + 900, NOW + 1001, False),
        (Operation.OPEN | Operation.SYNC, NOW, NOW + 600, False),
        (Operation.OPEN_ALL, NOW, NOW + 600, False),
        (32, NOW, NOW + 600, False),
    ],
)
def test_key_allows_what_lies_within_mask_ttl_and_life(
    actions: int, nbf: int, exp: int, *, allowed: bool
) -> None:
    assert KEY.allows(actions=int(actions), nbf=nbf, exp=exp) is allowed


def test_only_a_living_key_with_sync_signs_statements() -> None:
    key = make_key_entry(1, actions=int(Operation.SYNC), **LIFE)
    assert [key.may_sync(at) for at in (NOW - 1, NOW, NOW + 1000, NOW + 1001)] == [
        False,
        True,
        True,
        False,
    ]
    assert not KEY.may_sync(NOW)


def test_entry_without_actions_is_the_sealing_key_and_the_last_one_counts() -> None:
    former, newest = (make_key_entry(number, actions=0) for number in (7, 8))
    held = KeySet((KEY, former, newest, make_key_entry(2)))
    assert held.find_sealing_key() == newest
    assert held.find_signer(newest.kid) is None
    assert held.find_signer(KEY.kid) == KEY
    assert held.find_signer(None) is None


def test_entry_with_a_part_missing_or_added_is_malformed() -> None:
    good = KEY.as_value()
    assert isinstance(good, list)
    assert parse_key_entries([good]) == (KEY,)
    for wrong in (good[:-1], [*good, 0], []):
        with pytest.raises(Malformed):
            parse_key_entries([good, wrong])


def test_empty_key_set_holds_no_key() -> None:
    assert KeySet().find_signer(KEY.kid) is None
    assert KeySet().find_sealing_key() is None


def test_roots_are_found_by_their_ids_only() -> None:
    root = signing_key("root").public
    roots = Roots(((ROOT_KID, root), (KeyId(b"\xf0\x02"), bytes(32))))
    assert roots.find(ROOT_KID) == root
    assert roots.find(KeyId(b"\xf0\x03")) is None
    assert roots.find(None) is None


@pytest.mark.parametrize("typed", ["K7Q2-M4XD", "k7q2 m4xd", " K7Q2-m4xd\n", "k7-q2-m4-xd"])
def test_enrolment_code_is_read_however_people_type_it(typed: str) -> None:
    assert bare_code(typed) == "K7Q2M4XD"
    keys = (LID, seed("noise"), seed("sign"))
    assert enrolment_message(typed, *keys) == enrolment_message("K7Q2M4XD", *keys)


def test_enrolment_message_names_locker_code_and_both_keys() -> None:
    digest = hashlib.sha256(b"K7Q2M4XD").digest()
    message = enrolment_message("K7Q2M4XD", LID, seed("noise"), seed("sign"))
    assert message == b"SLK1-enrol" + LID + digest + seed("noise") + seed("sign")
