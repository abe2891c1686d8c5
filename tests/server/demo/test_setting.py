"""What the demo is set up with: a root that only signs, and doors that a parcel fits into."""

from __future__ import annotations

from schema.compartments import SizeClass, SizeMm, size_class
from schema.cose import SigningKey
from schema.ids import EVERY_LOCKER
from schema.statements import KeySetStatement, StatementType, parse_statement, sign_statement
from server.demo.setting import ROOT_KID, OfflineRoot, doors
from tests.fakes.town import ROOT_SEED


def test_offline_root_signs_a_drafted_key_set() -> None:
    root = OfflineRoot()
    public = bytes.fromhex(root.public_hex)
    assert public[:2] == ROOT_KID
    body = KeySetStatement(EVERY_LOCKER, 1, 1_800_000_000, ())
    draft = parse_statement(
        StatementType.KEY_SET, sign_statement(SigningKey(ROOT_SEED), ROOT_KID, body)
    )
    signed = parse_statement(StatementType.KEY_SET, root.sign_key_set(draft.signed.payload))
    assert signed.body == body
    assert signed.is_signed_by(public[2:])
    assert not draft.is_signed_by(public[2:])


def test_each_demo_has_a_root_of_its_own() -> None:
    assert OfflineRoot().public_hex != OfflineRoot().public_hex


def test_locker_has_compartments_of_three_sizes_at_places_of_their_own() -> None:
    rooms = [SizeMm(door["widthMm"], door["heightMm"], door["depthMm"]) for door in doors()]
    assert {size_class(room) for room in rooms} == {SizeClass.S, SizeClass.M, SizeClass.L}
    places = {(door["column"], door["row"]) for door in doors()}
    assert len(places) == len({door["label"] for door in doors()}) == len(doors())
