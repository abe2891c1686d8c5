"""A technician's phone with files of `./restante keys issue`, at a locker of the same room."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ble_agent.phone.door import visit_door
from ble_agent.phone.link import PhoneLink
from ble_agent.phone.staff import StaffFileBroken, join, read_staff_pass
from ble_agent.phone.wallet import Wallet
from schema.ids import locker_text
from schema.keys import Operation, Role
from tests.ble_agent.standing import NOW, OPERATOR, SERVICE, Standing, quick_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from schema.ids import KeyId

SIGNERS = {"service": SERVICE, "operator": OPERATOR}


@pytest.fixture
async def standing() -> AsyncIterator[Standing]:
    with quick_folder() as folder:
        locker = await Standing(folder).start()
        await locker.set_up()
        yield locker
        await locker.stop()


def write_file(
    folder: Path, standing: Standing, wallet: Wallet, op: Operation, signer: str, **changes: Any
) -> Path:
    """What `keys issue` wrote for this wallet."""
    kid: KeyId = SIGNERS[signer]
    token = standing.token(
        op,
        signer=(signer, kid),
        holder=wallet.key.public,
        role=Role.OPERATOR if op is Operation.OPEN_ALL else Role.TECHNICIAN,
        exp=NOW + 1800,
        comps=() if op is Operation.OPEN_ALL else (2,),
    )
    identity = standing.locker.identity
    words = {
        "operation": op.name,
        "lockerId": locker_text(identity.lid),
        "noisePublic": identity.noise_public.hex(),
        "signPublic": identity.signing.public.hex(),
        "token": base64.b64encode(token).decode(),
    }
    file = folder / f"{signer}-{op.name}.json"
    file.write_text(json.dumps(words | changes))
    return file


@asynccontextmanager
async def at_the_door(standing: Standing) -> AsyncIterator[PhoneLink]:
    """A link to the locker, whose time goes on meanwhile."""
    phone = await standing.radio.connect()

    async def go_on() -> None:
        while True:
            await standing.pass_time(0.5)

    going = asyncio.create_task(go_on())
    yield PhoneLink(phone)
    going.cancel()
    await phone.leave()


async def test_technician_opens_the_compartment_that_the_file_names(
    standing: Standing, tmp_path: Path
) -> None:
    wallet = Wallet(tmp_path / "wallet")
    found = read_staff_pass(write_file(tmp_path, standing, wallet, Operation.SERVICE, "service"))
    async with at_the_door(standing) as link:
        told = await visit_door(link, found, wallet, comp=2, find_time=None, follow_s=5)
    assert (told["name"], told["compartment"]) == ("OK", 2)
    assert told["events"] == ["DOOR_OPENED", "CLOSED_EMPTY"]
    assert len(wallet.list_receipts()) == 3


async def test_two_tokens_of_two_keys_open_every_compartment(
    standing: Standing, tmp_path: Path
) -> None:
    wallet = Wallet(tmp_path / "wallet")
    one, two = (
        read_staff_pass(write_file(tmp_path, standing, wallet, Operation.OPEN_ALL, signer))
        for signer in SIGNERS
    )
    async with at_the_door(standing) as link:
        told = await visit_door(link, join(one, two), wallet, comp=None, find_time=None, follow_s=5)
    assert told["name"] == "OK"
    assert told["events"].count("DOOR_OPENED") == 4


async def test_one_token_twice_opens_nothing(standing: Standing, tmp_path: Path) -> None:
    wallet = Wallet(tmp_path / "wallet")
    one = read_staff_pass(write_file(tmp_path, standing, wallet, Operation.OPEN_ALL, "service"))
    async with at_the_door(standing) as link:
        told = await visit_door(link, join(one, one), wallet, comp=None, find_time=None, follow_s=5)
    assert told["code"] != 0


async def test_key_set_comes_along(standing: Standing, tmp_path: Path) -> None:
    wallet, signed = Wallet(tmp_path / "wallet"), tmp_path / "signed"
    signed.write_bytes(base64.b64encode(standing.key_set(seq=2)[1]) + b"\n")
    file = write_file(tmp_path, standing, wallet, Operation.SERVICE, "service")
    async with at_the_door(standing) as link:
        found = read_staff_pass(file, key_set=signed)
        await visit_door(link, found, wallet, comp=2, find_time=None, follow_s=5)
    assert standing.locker.statements.trust().key_seq == 2


def test_files_that_do_not_belong_together_are_refused(standing: Standing, tmp_path: Path) -> None:
    wallet = Wallet(tmp_path / "wallet")
    door, every = (
        read_staff_pass(write_file(tmp_path, standing, wallet, op, "service"))
        for op in (Operation.SERVICE, Operation.OPEN_ALL)
    )
    other = write_file(
        tmp_path, standing, wallet, Operation.OPEN_ALL, "operator", lockerId="AAAAAAAAAAA"
    )
    for second in (door, read_staff_pass(other)):
        with pytest.raises(StaffFileBroken, match="same locker"):
            join(every, second)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"token": "AA=="}'])
def test_other_files_are_no_passes(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(StaffFileBroken):
        read_staff_pass(file)
