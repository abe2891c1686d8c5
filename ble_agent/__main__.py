"""Starts the agent, or commissions a locker: `python -m ble_agent agent|locker ...`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import signal
import sys
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ble_agent.backends.carrier import Declined, deliver
from ble_agent.clock import measure_uptime_s
from ble_agent.doors.prompts import Prompt
from ble_agent.errors import AgentError, SettingsRefused, StateError
from ble_agent.hardware.port import Thermometer
from ble_agent.hardware.simulated import SimulatedHardware
from ble_agent.hardware.watchdog import READY, STOPPING, ServiceManager
from ble_agent.radio.port import RadioLost
from ble_agent.redemptions import Redemptions, restore_stays
from ble_agent.session.desk import Desk
from ble_agent.session.locker import (
    Surroundings,
    apply_offline,
    open_store,
    start_locker,
    stop_locker,
)
from ble_agent.settings import (
    AgentSettings,
    EnrolSettings,
    InitSettings,
    parse_arguments,
)
from ble_agent.store import check_initialised
from ble_agent.store.identity import commission, find_identity, get_identity
from ble_agent.uplink import NetworkUplink
from ble_agent.uplink.enrolment import register
from schema.ids import locker_text

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from ble_agent.clock import Scheduler
    from ble_agent.hardware.port import Hardware
    from ble_agent.panel.signs import Signs
    from ble_agent.radio.port import Radio
    from ble_agent.session.locker import Locker
    from ble_agent.store import Store
    from schema.statements import SignedStatement

logger = logging.getLogger("ble_agent")

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_RADIO_RETRY_S = 2.0
_PANEL_RETRY_S = 10.0
_PROMPTS = {
    Prompt.PRESS: "push the door in, it is released in a moment",
    Prompt.SHUT: "please shut the door",
}


def main(argv: list[str]) -> int:
    """Run one word; 1 with a sentence on stderr when it cannot be done."""
    settings = parse_arguments(argv)
    try:
        match settings:
            case InitSettings():
                return init(settings)
            case EnrolSettings():
                return enrol(settings)
            case AgentSettings():
                return asyncio.run(serve(settings))
    except AgentError as error:
        print(f"restante: {error}", file=sys.stderr)
        return 1


def init(settings: InitSettings) -> int:
    """Commission a new state folder and print what the operator has to register."""
    store = open_store(settings.state)
    known = find_identity(store)
    if known is not None:
        store.close()
        raise StateError(
            f"{settings.state} already holds locker {locker_text(known.lid)}; nothing was changed"
        )
    identity = commission(
        store,
        compartments=settings.compartments,
        roots=settings.roots,
        take_random=secrets.token_bytes,
    )
    store.close()
    shown = {
        "lid": identity.lid.hex(),
        "noise_public": identity.noise_public.hex(),
        "sign_public": identity.signing.public.hex(),
        "pin_secret": identity.pin_secret.hex(),
    }
    if settings.as_json:
        print(json.dumps(shown))
    else:
        print(f"locker {locker_text(identity.lid)} with {settings.compartments} compartments")
        for name, value in shown.items():
            print(f"  {name:12} {value}")
    return 0


def enrol(settings: EnrolSettings) -> int:
    """Register with a server; what it signs in answer is applied at once."""
    check_initialised(settings.state)
    store = open_store(settings.state)
    try:
        identity = get_identity(store)
        joined = asyncio.run(register(settings.url, settings.code, identity))
        if joined.stays and not settings.is_replacement:
            raise SettingsRefused("parcels lie in this locker: use --replace to take them over")
        restore_stays(store, joined.stays)
        # If we crash here, the same command again restores the same and goes on.
        refused = apply_offline(store, identity, joined.statements, take_random=secrets.token_bytes)
        if refused is not None:
            raise SettingsRefused(
                f"this server is not under the roots of the locker: {refused.detail}"
            )
    finally:
        store.close()
    print(
        f"locker {locker_text(identity.lid)} is enrolled; {len(joined.statements)} statements "
        f"applied, {len(joined.stays)} stays taken over"
    )
    return 0


async def serve(settings: AgentSettings) -> int:
    """Serve phones until SIGTERM or SIGINT; 3 when the store can serve no more."""
    logging.getLogger("bumble").setLevel(logging.CRITICAL)  # it logs stack traces of hostile bytes
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # it logs each answer that is missing
    logging.basicConfig(
        level=logging.INFO if settings.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    check_initialised(settings.state)
    store = open_store(settings.state)
    try:
        return await _serve(settings, store)
    finally:
        store.close()


async def _serve(settings: AgentSettings, store: Store) -> int:
    loop = asyncio.get_running_loop()
    manager = ServiceManager.from_environ(os.environ, pid=os.getpid())
    ending = asyncio.Event()
    failures: list[StateError] = []

    def on_failure(error: StateError) -> None:
        failures.append(error)
        ending.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    hardware = await _open_hardware(settings, store, loop)
    signs = _make_signs(settings)
    locker = start_locker(
        store,
        Surroundings(
            hardware=hardware,
            scheduler=loop,
            take_random=secrets.token_bytes,
            machine_start=_read_machine_start(),
            measure_uptime_s=measure_uptime_s,
            show_presence=partial(_show_presence, signs),
            on_failure=on_failure,
            show_prompt=partial(_show_prompt, signs),
            thermometer=hardware if isinstance(hardware, Thermometer) else None,
        ),
    )
    radio = _make_radio(settings.radio)
    desk = Desk(
        locker, radio, scheduler=loop, take_random=secrets.token_bytes, on_failure=on_failure
    )
    work = [desk.send_messages(), _keep_radio(locker, radio, desk, manager), manager.keep_alive()]
    if settings.uplink is not None:
        work.append(_make_uplink(locker, settings.uplink, on_failure).run())
    if signs is not None:
        work.append(_keep_panel(locker, signs, settings, on_failure))
    manager.tell(READY)
    try:
        await _run_until(ending, *work)
    finally:
        manager.tell(STOPPING)
        await radio.stop()
    await hardware.close()
    for failure in failures:
        print(f"restante: {failure}", file=sys.stderr)
    if failures:
        return 3
    await stop_locker(locker)
    return 0


async def _run_until(ending: asyncio.Event, *work: Coroutine[None, None, None]) -> None:
    """Work until told to end; work that ends by itself has failed, and its error is raised."""
    tasks = [asyncio.create_task(one) for one in work]
    end = asyncio.create_task(ending.wait())
    done, _ = await asyncio.wait([end, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (end, *tasks):
        task.cancel()
    await asyncio.gather(end, *tasks, return_exceptions=True)
    for task in done - {end}:
        task.result()


async def _keep_radio(locker: Locker, radio: Radio, desk: Desk, manager: ServiceManager) -> None:
    """Keep the radio up; without a controller try again, for doors are watched meanwhile."""
    lid = locker.identity.lid
    while True:
        with suppress(RadioLost):
            await radio.start(lid, desk)
            print(f"locker {locker_text(lid)}: ready for phones", flush=True)
            manager.tell_status("ready for phones")
            await radio.watch()
        logger.warning("the radio is gone; trying again")
        manager.tell_status("no radio; doors are watched")
        await asyncio.sleep(_RADIO_RETRY_S)


def _make_uplink(
    locker: Locker, url: str, on_failure: Callable[[StateError], None]
) -> NetworkUplink:
    async def deliver_one(envelope: bytes) -> tuple[SignedStatement, ...]:
        (outcome,) = await deliver(url, [envelope])
        if outcome.problem is not None:
            raise Declined(outcome.problem, "the server does not take our envelope")
        return outcome.statements

    return NetworkUplink(locker.outgoing, locker.statements, deliver_one, on_failure)


async def _open_hardware(settings: AgentSettings, store: Store, scheduler: Scheduler) -> Hardware:
    compartments = Redemptions(store, machine_start="").stored()
    kind, _, wiring = settings.hardware.partition(":")
    if kind == "simulated":
        return SimulatedHardware(
            len(compartments),
            scheduler=scheduler,
            occupied={number for number, known in compartments.items() if known.stay},
            door_seconds=settings.sim_door_seconds,
        )
    if kind == "modbus":
        from ble_agent.hardware.boardmap import read_board_map
        from ble_agent.hardware.modbus import open_modbus

        board_map = read_board_map(Path(wiring))
        _check_wired(compartments, (place.number for place in board_map.compartments), wiring)
        return await open_modbus(board_map, scheduler=scheduler)
    from ble_agent.hardware.gpio import GpioHardware
    from ble_agent.hardware.pinmap import read_pin_map

    pin_map = read_pin_map(Path(wiring))
    _check_wired(compartments, (pins.number for pins in pin_map.compartments), wiring)
    return GpioHardware(pin_map, scheduler=scheduler)


def _check_wired(compartments: Iterable[int], wired: Iterable[int], wiring: str) -> None:
    missing = sorted(set(compartments) - set(wired))
    if missing:
        raise SettingsRefused(f"{wiring} has no compartment {missing[0]}, which the locker has")


def _make_radio(name: str) -> Radio:
    """The radio of this name; its stack is loaded only here, for the board has little memory."""
    kind, _, rest = name.partition(":")
    if kind == "bumble":
        from ble_agent.radio.bumble import BumbleRadio

        return BumbleRadio(rest)
    from ble_agent.radio.bluez import BluezRadio

    return BluezRadio(rest or "hci0")


def _read_machine_start() -> str:
    """The kernel's name for this start of the machine; where there is none, one per process."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return str(uuid.uuid4())


def _make_signs(settings: AgentSettings) -> Signs | None:
    """What the panel shows to everybody; None where there is no panel, and nothing is loaded."""
    if not settings.panel:
        return None
    from ble_agent.panel.signs import Signs

    return Signs()


async def _keep_panel(
    locker: Locker,
    signs: Signs,
    settings: AgentSettings,
    on_failure: Callable[[StateError], None],
) -> None:
    """Show the panel; where its port is taken try again, for phones are served meanwhile."""
    from ble_agent.panel import Panel
    from ble_agent.panel.intents import Language
    from ble_agent.panel.page import SECRET_SIZE, showing_panel

    while True:
        panel = Panel(
            locker,
            signs,
            scheduler=asyncio.get_running_loop(),
            on_failure=on_failure,
            language=Language(settings.panel_language),
        )
        secret = secrets.token_urlsafe(SECRET_SIZE)
        try:
            async with showing_panel(panel, settings.panel, secret=secret) as url:
                print(f"panel at {url}", flush=True)
                await asyncio.Event().wait()
        except OSError as error:
            logger.warning("no panel at port %d: %s; trying again", settings.panel, error.strerror)
        await asyncio.sleep(_PANEL_RETRY_S)


def _show_presence(signs: Signs | None, code: int) -> None:
    print(f"presence code {code:02d}", flush=True)
    if signs is not None:
        signs.show_presence(code)


def _show_prompt(signs: Signs | None, comp: int, prompt: Prompt | None) -> None:
    if signs is not None:
        signs.show_prompt(comp, prompt)
    if prompt is not None:
        print(f"compartment {comp}: {_PROMPTS[prompt]}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
