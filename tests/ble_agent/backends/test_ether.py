"""The ether as a process, and what it does when hosts die, come anew or collide."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError

from ble_agent.backends.bumble_central import open_central
from ble_agent.backends.ether import open_ether
from ble_agent.radio.bumble import BumbleRadio
from ble_agent.radio.port import RadioLost
from schema.gatt import SERVICE_UUID
from tests.contracts.tree import ROOT
from tests.fakes.radios import PATIENCE_S, RecordingListener

if TYPE_CHECKING:
    from bleak.backends.device import BLEDevice

    from ble_agent.backends.bumble_central import BumbleCentral

LID = bytes.fromhex("4dbe53e4c9f2d2e9")


def _name(port: int) -> str:
    return f"tcp-client:127.0.0.1:{port}"


async def _find(central: BumbleCentral) -> BLEDevice:
    device = await BleakScanner.find_device_by_filter(
        lambda _, heard: SERVICE_UUID in heard.service_uuids,
        timeout=PATIENCE_S,
        backend=central.scanner,
    )
    assert device is not None
    return device


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_process_says_its_ports_carries_a_visit_and_ends_cleanly(
    signal_number: signal.Signals,
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ble_agent.backends.ether",
        "--controllers",
        "2",
        "--json",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    locker_port, phone_port = json.loads(await process.stdout.readline())["ports"]
    radio = BumbleRadio(_name(locker_port))
    await radio.start(LID, RecordingListener())
    async with open_central(_name(phone_port)) as central:
        await _find(central)
    await radio.stop()
    process.send_signal(signal_number)
    rest, errors = await process.communicate()
    assert (process.returncode, rest, errors) == (0, b"", b"")


async def test_without_json_each_controller_has_its_line() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ble_agent.backends.ether",
        "--controllers",
        "2",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(2)]
    assert all(line.startswith("tcp-client:127.0.0.1:") for line in lines)
    process.terminate()
    await process.wait()


@pytest.mark.parametrize("number", ["0", "65", "some"])
async def test_number_of_controllers_out_of_range_is_refused(number: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ble_agent.backends.ether",
        "--controllers",
        number,
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"--controllers" in errors


async def test_dead_host_is_missed_by_its_peers_and_its_port_serves_the_next() -> None:
    listener = RecordingListener()
    async with open_ether(2) as ether:
        locker, phone = map(_name, ether.ports)
        radio = BumbleRadio(locker)
        await radio.start(LID, listener)
        gone = asyncio.Event()
        async with open_central(phone) as central:
            client = BleakClient(await _find(central), lambda _: gone.set(), backend=central.client)
            await client.connect()
            ether.oust(0)
            await asyncio.wait_for(gone.wait(), PATIENCE_S)
            assert not ether.is_advertising(0)
            await radio.start(LID, listener)
            assert ether.is_advertising(0)
            await _find(central)
        await radio.stop()


async def test_dead_phone_is_missed_by_the_locker() -> None:
    listener = RecordingListener()
    async with open_ether(2) as ether:
        locker, phone = map(_name, ether.ports)
        radio = BumbleRadio(locker)
        await radio.start(LID, listener)
        async with open_central(phone) as central:
            client = BleakClient(await _find(central), backend=central.client)
            await client.connect()
            ether.oust(1)
            await listener.until(lambda: listener.lost_links == listener.links)
        await radio.stop()


async def test_newcomer_on_a_port_ousts_who_is_there() -> None:
    async with open_ether(1) as ether:
        [name] = map(_name, ether.ports)
        former, newcomer = BumbleRadio(name), BumbleRadio(name)
        await former.start(LID, RecordingListener())
        watching = asyncio.create_task(former.watch())
        await newcomer.start(LID, RecordingListener())
        with pytest.raises(RadioLost):
            await asyncio.wait_for(watching, PATIENCE_S)
        assert ether.is_advertising(0)
        await former.stop()
        assert ether.is_advertising(0)
        await newcomer.stop()


async def test_second_of_two_phones_at_one_advertisement_is_told() -> None:
    listener = RecordingListener()
    async with open_ether(3) as ether:
        locker, *phones = map(_name, ether.ports)
        radio = BumbleRadio(locker)
        await radio.start(LID, listener)
        async with open_central(phones[0]) as first, open_central(phones[1]) as second:
            device = await _find(first)
            clients = [BleakClient(device, backend=phone.client) for phone in (first, second)]
            outcomes = await asyncio.gather(
                *(client.connect() for client in clients), return_exceptions=True
            )
            assert [type(outcome) for outcome in outcomes].count(type(None)) == 1
            assert sum(isinstance(outcome, BleakError) for outcome in outcomes) == 1
            await listener.until(lambda: len(listener.links) == 1)
        await radio.stop()
