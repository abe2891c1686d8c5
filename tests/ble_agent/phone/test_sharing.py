"""A parcel passed on from phone to phone, and fetched by the other at a locker of the same room."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from ble_agent.phone.bundles import read_pass
from ble_agent.phone.door import visit_door
from ble_agent.phone.sharing import (
    INVITE_PREFIX,
    NotShared,
    read_invite,
    read_until,
    share,
    take,
    write_invite,
    write_share,
)
from ble_agent.phone.wallet import Wallet
from schema.ids import StayId, locker_text
from schema.keys import Operation
from schema.tokens import delegation_id
from tests.ble_agent.phone.test_main import run, write
from tests.ble_agent.phone.test_staff import at_the_door
from tests.ble_agent.standing import NOW, Standing, bytes_of

if TYPE_CHECKING:
    from pathlib import Path

SIX = NOW + 1800
ZONE = timezone(timedelta(hours=2))
NOON = datetime(2030, 1, 31, 12, 0, tzinfo=ZONE)


@pytest.fixture
def owner(tmp_path: Path) -> Wallet:
    return Wallet(tmp_path / "owner")


@pytest.fixture
def neighbour(tmp_path: Path) -> Wallet:
    return Wallet(tmp_path / "neighbour")


def bundle_of(standing: Standing, token: bytes, **changes: Any) -> dict[str, Any]:
    """What the server would have given for this token."""
    identity = standing.locker.identity
    return {
        "parcel": "parcel-1",
        "operation": "OPEN",
        "locker": {"lockerId": locker_text(identity.lid)},
        "noisePublic": base64.b64encode(identity.noise_public).decode(),
        "signPublic": base64.b64encode(identity.signing.public).decode(),
        "token": {"bytes": base64.b64encode(token).decode()},
        "compartment": {"number": 1},
        "words": "row 1",
        "statements": [],
        **changes,
    }


async def waiting(standing: Standing, owner: Wallet, *, depth: int = 2) -> dict[str, Any]:
    """A parcel lies in the locker, and the owner's phone holds a bundle for it."""
    stay = bytes_of("stay")
    await standing.deposit(stay)
    token = standing.token(Operation.OPEN, holder=owner.key.public, stay=StayId(stay), depth=depth)
    return bundle_of(standing, token)


def pass_on(
    bundle: dict[str, Any], giver: Wallet, taker: Wallet, *, until_s: int = SIX
) -> dict[str, Any]:
    return share(bundle, giver.key, holder=taker.key.public, until_s=until_s, now_s=NOW)


async def fetch(standing: Standing, bundle: dict[str, Any], wallet: Wallet) -> dict[str, Any]:
    async with at_the_door(standing) as link:
        return await visit_door(
            link, read_pass(bundle), wallet, comp=None, find_time=None, follow_s=5
        )


async def test_neighbour_fetches_it_with_no_server(
    standing: Standing, owner: Wallet, neighbour: Wallet
) -> None:
    shared = pass_on(await waiting(standing, owner), owner, neighbour)
    assert take(json.loads(write_share(shared)), neighbour.key) == "parcel-1"
    told = await fetch(standing, shared, neighbour)
    assert (told["name"], told["events"]) == ("OK", ["DOOR_OPENED", "CLOSED_EMPTY"])
    assert neighbour.list_envelopes() != []
    again = await fetch(standing, shared, neighbour)
    assert again["name"] == "USED"


async def test_neighbour_sends_a_child(
    standing: Standing, owner: Wallet, neighbour: Wallet, tmp_path: Path
) -> None:
    child = Wallet(tmp_path / "child")
    shared = pass_on(await waiting(standing, owner), owner, neighbour)
    further = pass_on(shared, neighbour, child, until_s=SIX)
    assert take(further, child.key) == "parcel-1"
    with pytest.raises(NotShared, match="passed on any further"):
        pass_on(further, child, owner)
    assert (await fetch(standing, further, child))["name"] == "OK"


async def test_what_was_shared_is_of_no_use_to_another_phone(
    standing: Standing, owner: Wallet, neighbour: Wallet, tmp_path: Path
) -> None:
    thief = Wallet(tmp_path / "thief")
    shared = pass_on(await waiting(standing, owner), owner, neighbour)
    for wallet in (owner, thief):
        with pytest.raises(NotShared, match="not shared with this phone"):
            take(shared, wallet.key)
    assert (await fetch(standing, shared, thief))["name"] == "HOLDER_PROOF_FAILED"


async def test_after_six_the_neighbour_is_late_and_the_owner_is_not(
    standing: Standing, owner: Wallet, neighbour: Wallet
) -> None:
    bundle = await waiting(standing, owner)
    shared = pass_on(bundle, owner, neighbour, until_s=NOW + 600)
    await standing.set_time(NOW + 800)
    assert (await fetch(standing, shared, neighbour))["name"] == "EXPIRED"
    assert (await fetch(standing, bundle, owner))["name"] == "OK"


async def test_neighbour_taken_back_is_refused_and_the_others_are_not(
    standing: Standing, owner: Wallet, neighbour: Wallet, tmp_path: Path
) -> None:
    friend = Wallet(tmp_path / "friend")
    bundle = await waiting(standing, owner)
    shared, kept = pass_on(bundle, owner, neighbour), pass_on(bundle, owner, friend)
    name = delegation_id(base64.b64decode(shared["delegations"][0]))
    _, revocations = standing.revocations(1, name)
    shared["statements"] = [
        {"type": "REVOCATIONS", "bytes": base64.b64encode(revocations).decode()}
    ]
    assert (await fetch(standing, shared, neighbour))["name"] == "REVOKED"
    assert (await fetch(standing, kept, friend))["name"] == "OK"


@pytest.mark.parametrize(
    ("until_s", "sentence"),
    [(NOW + 3601, "share only what you hold, for no longer than"), (NOW, "that time is over")],
)
async def test_nobody_shares_for_longer_than_they_hold_it(
    standing: Standing, owner: Wallet, neighbour: Wallet, until_s: int, sentence: str
) -> None:
    with pytest.raises(NotShared, match=sentence):
        pass_on(await waiting(standing, owner), owner, neighbour, until_s=until_s)


async def test_what_cannot_be_passed_on_is_not_shared(
    standing: Standing, owner: Wallet, neighbour: Wallet
) -> None:
    bundle = await waiting(standing, owner, depth=0)
    with pytest.raises(NotShared, match="passed on any further"):
        pass_on(bundle, owner, neighbour)
    with pytest.raises(NotShared, match="another phone holds this"):
        pass_on(await reissued(standing, owner), neighbour, owner)
    with pytest.raises(NotShared, match="passed on any further"):
        pass_on({**await reissued(standing, owner), "operation": "DEPOSIT"}, owner, neighbour)
    with pytest.raises(NotShared, match="cannot be read"):
        pass_on(bundle_of(standing, b"no token"), owner, neighbour)


async def reissued(standing: Standing, owner: Wallet) -> dict[str, Any]:
    token = standing.token(
        Operation.OPEN, holder=owner.key.public, stay=StayId(bytes_of("stay")), depth=2
    )
    return bundle_of(standing, token)


async def test_forged_share_is_not_taken(
    standing: Standing, owner: Wallet, neighbour: Wallet
) -> None:
    bundle = await waiting(standing, owner)
    first, second = pass_on(bundle, owner, neighbour), pass_on(bundle, owner, neighbour)
    spliced = {**bundle, "delegations": first["delegations"] + second["delegations"]}
    with pytest.raises(NotShared, match="opens nothing"):
        take(spliced, neighbour.key)


def test_invitation_is_read_as_it_was_written(neighbour: Wallet) -> None:
    text = write_invite(neighbour.key.public)
    assert text.startswith(INVITE_PREFIX)
    assert len(text) == len(INVITE_PREFIX) + 48
    assert read_invite(f" {text}\n") == neighbour.key.public


@pytest.mark.parametrize("text", ["", "SLK1-KEY:", "SLK1-KEY:AAAA", "hello", "é" * 48])
def test_other_texts_are_no_invitations(text: str) -> None:
    with pytest.raises(NotShared, match="no invitation"):
        read_invite(text)


def test_slip_of_the_pen_in_an_invitation_is_seen(neighbour: Wallet) -> None:
    text = write_invite(neighbour.key.public)
    for at in range(len(INVITE_PREFIX), len(text)):
        other = "A" if text[at] != "A" else "B"
        with pytest.raises(NotShared):
            read_invite(text[:at] + other + text[at + 1 :])


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("18:00", datetime(2030, 1, 31, 18, tzinfo=ZONE)),
        ("11:59", datetime(2030, 2, 1, 11, 59, tzinfo=ZONE)),
        ("12:00", datetime(2030, 2, 1, 12, 0, tzinfo=ZONE)),
        ("2030-01-31T18:00", datetime(2030, 1, 31, 18, tzinfo=ZONE)),
        ("2030-01-31T18:00Z", datetime(2030, 1, 31, 18, tzinfo=UTC)),
    ],
)
def test_time_is_what_a_person_means(text: str, at: datetime) -> None:
    assert read_until(text, now=NOON) == at.timestamp()


@pytest.mark.parametrize("text", ["six", "25:00", "2030-13-01", ""])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(NotShared, match="write 18:00"):
        read_until(text, now=NOON)


def kept_by(folder: Path, standing: Standing, *, until: datetime) -> Wallet:
    """The wallet that the command line uses, with a bundle that is good until then."""
    wallet = Wallet(folder / "wallet")
    token = standing.token(
        Operation.OPEN,
        holder=wallet.key.public,
        stay=StayId(bytes_of("stay")),
        depth=2,
        exp=int(until.timestamp()),
    )
    wallet.put_bundle("parcel-1", bundle_of(standing, token))
    return wallet


async def run_beside(folder: Path, *words: str) -> int:
    """The command line in a thread, since it runs a loop of its own."""
    return await asyncio.to_thread(run, folder, *words)


async def say(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What the command line answers."""
    status = await run_beside(folder, *words)
    told = capsys.readouterr()
    assert status == 0, told.err
    answer: dict[str, Any] = json.loads(told.out)
    return answer


async def test_words_of_the_command_line_share_and_accept(
    standing: Standing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    now = datetime.now(UTC)
    kept_by(here, standing, until=now + timedelta(days=2))
    invite = (await say(there, capsys, "invite"))["invite"]
    until = (now + timedelta(days=1)).isoformat()
    words = ("delegate", "parcel-1", invite, "--until", until)
    shared = await say(here, capsys, *words)
    assert "delegation" not in shared
    file = tmp_path / "shared.json"
    assert (await say(here, capsys, *words, "--file", str(file)))["file"] == str(file)
    for given in (str(file), write(tmp_path, shared["share"])):
        accepted = await say(there, capsys, "accept", given)
        assert accepted == {"parcel": "parcel-1", "words": "row 1"}
    found = read_pass(Wallet(there / "wallet").get_bundle("parcel-1"))
    assert len(found.more) == 1


async def test_unreachable_server_does_not_keep_anybody_from_sharing(
    standing: Standing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    wallet = kept_by(tmp_path, standing, until=now + timedelta(days=2))
    until = (now + timedelta(days=1)).isoformat()
    invite = write_invite(wallet.key.public)
    words = ("--server", "http://127.0.0.1:9", "delegate", "parcel-1", invite, "--until", until)
    shared = await say(tmp_path, capsys, *words)
    assert "no answer" in shared["unregistered"]
    assert json.loads(shared["share"])["delegations"]


async def test_what_is_shared_never_takes_the_place_of_ones_own(
    standing: Standing, tmp_path: Path, owner: Wallet, capsys: pytest.CaptureFixture[str]
) -> None:
    own = kept_by(tmp_path, standing, until=datetime.now(UTC) + timedelta(days=2))
    shared = pass_on(await reissued(standing, owner), owner, own)
    assert await run_beside(tmp_path, "accept", write(tmp_path, write_share(shared))) == 1
    assert "a pass of its own" in capsys.readouterr().err
    assert read_pass(own.get_bundle("parcel-1")).more == ()


async def test_file_that_cannot_be_written_is_told(
    standing: Standing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    wallet = kept_by(tmp_path, standing, until=now + timedelta(days=2))
    until = (now + timedelta(days=1)).isoformat()
    words = ("delegate", "parcel-1", write_invite(wallet.key.public), "--until", until)
    assert await run_beside(tmp_path, *words, "--file", str(tmp_path / "no" / "where")) == 1
    assert "cannot be written" in capsys.readouterr().err
