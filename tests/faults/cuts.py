"""A locker that loses power at a chosen durable write, and people who try again afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ble_agent.codes import Codes
from ble_agent.errors import StateError
from ble_agent.hardware.port import Door
from ble_agent.hardware.simulated import Faults
from ble_agent.radio.port import RadioLost, Refused
from ble_agent.store import Cut
from ble_agent.uplink.sampling import EVERY_S
from schema.codes import Code
from schema.compartments import ClimateZone
from schema.ids import StayId
from schema.keys import Operation, Role
from schema.statements import zones_as_values
from schema.tokens.passes import show_token
from tests.ble_agent.standing import NOW, Standing, key_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from ble_agent.store import Moment
    from schema.handshake import Report

STAY = StayId(b"stay0001")

LATE = NOW + 2 * 3600
"""Beyond the end of the story: told twice, the looks at the cooled goods alone take an hour."""


@dataclass
class Scissors:
    """Cuts once, at the `nth` write of a label; notes every write."""

    moment: Moment | None = None
    label: str = ""
    nth: int = 0
    has_cut: bool = False
    writes: list[str] = field(default_factory=list)

    def __call__(self, moment: Moment, label: str) -> None:
        """As `Store` calls it around each commit."""
        if moment == "after":
            self.writes.append(label)
        if (moment, label) != (self.moment, self.label) or self.has_cut:
            return
        if self.nth == 0:
            self.has_cut = True
            raise Cut
        self.nth -= 1


class Mishap(Protocol):
    """What befalls a locker once: `Scissors`, or trouble of its disk."""

    @property
    def has_cut(self) -> bool:
        """Whether it has happened."""

    def __call__(self, moment: Moment, label: str) -> None:
        """As `Store` calls it around each commit."""


class Story:
    """Everything that is ever written, once: a parcel comes, is inspected around, and goes.

    Each step may be told again after a power cut: its people hold the same tokens and go on
    until they have what they came for.
    """

    def __init__(self, folder: Path, mishap: Mishap) -> None:
        self.standing = Standing(folder, door_seconds=None, cut=mishap)
        self.mishap = mishap
        self.openings = {"deposit": 0, "inspect": 0, "open": 0, "shown": 0}
        self.wrong_answers = 0
        self.opened_by_all = dict.fromkeys(range(1, 5), 0)
        self.tokens: dict[str, bytes] = {}
        self.pair: tuple[bytes, ...] = ()
        self.code = ""
        self.is_back = False

    async def tell(self) -> None:
        """From commissioning to an orderly end; a step that was cut is told again."""
        await self._until_done(self._start)
        await self._until_done(self.standing.set_up)
        self.pair = self.standing.pair()
        self.tokens = {
            "deposit": self.standing.token(Operation.DEPOSIT, stay=STAY),
            "inspect": self.standing.token(Operation.INSPECT, comps=(2,), role=Role.HUB),
            "open": self.standing.token(Operation.OPEN, stay=STAY, exp=LATE),
        }
        for step in (
            self._deposit,
            self._reopen,
            self._inspect,
            self._be_stuck,
            self._flap,
            self._refuse,
            self._mistype,
            self._show,
            self._collect,
            self._open_all,
            self._measure,
            self._acknowledge,
            self._stop,
        ):
            await self._until_done(step)
        await self._until_done(self._start)

    async def _until_done(self, step: Callable[[], Awaitable[object]]) -> None:
        was_whole = not self.mishap.has_cut
        try:
            await step()
            await self.standing.pass_time()
        except (Cut, Refused, RadioLost, StateError, AssertionError):
            if not (was_whole and self.mishap.has_cut):
                raise
        if was_whole and self.mishap.has_cut:
            await self._come_back()
            await self._until_done(step)

    async def _come_back(self) -> None:
        standing = self.standing
        standing.failures.clear()
        self.is_back = True
        if standing.is_up:
            await standing.lose_power()
        else:
            await standing.start()
        if self.tokens:
            await standing.set_time(NOW + int(standing.scheduler.time()))

    async def _start(self) -> None:
        if not self.standing.is_up:
            await self.standing.start()

    async def _stop(self) -> None:
        if self.standing.is_up:
            await self.standing.stop()

    async def _ask(self, what: str, op: Operation, comp: int | None = None) -> Report:
        report = await self.standing.ask(op, comp, token=self.tokens[what])
        await self.standing.pass_time()
        if report.code == Code.OK:
            assert report.comp is not None
            self.openings[what] += self.standing.hardware.door(report.comp) is Door.OPEN
        self._check_light()
        return report

    def _check_light(self) -> None:
        """Nobody goes on in the dark: what happens then, no locker can know."""
        if self.mishap.has_cut and not self.is_back:
            raise Cut

    async def _shut(self, comp: int, *, occupied: bool | None = None) -> None:
        self._check_light()
        if self.standing.hardware.door(comp) is Door.OPEN:
            await self.standing.shut(comp, occupied=occupied)

    async def _measure(self) -> None:
        """Behind door 1 goods are cooled, and two looks in a row find it cold."""
        zones = self.standing.configuration(zones_as_values({1: ClimateZone.CHILLED}))
        await self.standing.ask(Operation.SYNC, None, zones, role=Role.COURIER)
        self.standing.hardware.set_temperature(4.0)
        for _ in range(2):
            await self.standing.pass_time(EVERY_S)

    async def _deposit(self) -> None:
        """First the courier shuts the door without having put anything in."""
        await self._shut(1, occupied=True)  # after a cut the door may still be open
        for occupied in (False, True):
            if self.standing.stay(1) is None:
                report = await self._ask("deposit", Operation.DEPOSIT, 1)
                assert report.code == Code.OK
                await self._shut(1, occupied=occupied)
        if self.standing.stay(1) is None:
            await self._deposit()

    async def _reopen(self) -> None:
        await self._shut(1, occupied=True)
        courier, report = await self.standing.come(Operation.DEPOSIT, token=self.tokens["deposit"])
        assert report.code == Code.OK
        await self._shut(1, occupied=True)
        await courier.events()
        assert (await courier.reopen(1)).code == Code.OK
        await self._shut(1, occupied=True)

    async def _inspect(self) -> None:
        await self._shut(2)
        while (await self._ask("inspect", Operation.INSPECT, 2)).code == Code.OK:
            await self._shut(2)

    async def _be_stuck(self) -> None:
        self.standing.hardware.set_faults(4, Faults(stuck_pulses=3))
        token = self.standing.token(Operation.INSPECT, comps=(4,), role=Role.HUB)
        await self.standing.ask(Operation.INSPECT, 4, token=token)
        await self.standing.spend_pulses()
        assert self.standing.hardware.door(4) is not Door.OPEN

    async def _flap(self) -> None:
        self.standing.hardware.swing_open(3)
        await self.standing.shut(3)

    async def _refuse(self) -> None:
        stranger = await self.standing.ask(Operation.OPEN, stay=StayId(b"nowhere."))
        assert stranger.code == Code.OUT_OF_SCOPE
        await self.standing.pass_time(60)

    async def _mistype(self) -> None:
        """Somebody guesses until the PIN of the compartment is locked."""
        while (code := self._codes().enter_pin(1, "00000000").code) is not Code.RATE_LIMITED:
            assert code is Code.HOLDER_PROOF_FAILED
            self.wrong_answers += 1

    async def _show(self) -> None:
        """The recipient holds one and the same code before the scanner, again and again."""
        await self._shut(1, occupied=True)
        if not self.code:
            now = self.standing.locker.hello().now
            self.code = show_token(self.tokens["open"], key_of("phone"), now)
        while self._codes().show_qr(self.code).code is Code.OK:
            await self.standing.pass_time()
            self.openings["shown"] += self.standing.hardware.door(1) is Door.OPEN
            await self._shut(1, occupied=True)

    def _codes(self) -> Codes:
        return Codes(self.standing.locker, lambda event, comp, line: None)

    async def _collect(self) -> None:
        await self._shut(1, occupied=False)
        if self.standing.stay(1) is not None:
            assert (await self._ask("open", Operation.OPEN)).code == Code.OK
            await self._shut(1, occupied=False)

    async def _open_all(self) -> None:
        comps = range(1, 5)
        for comp in comps:
            await self._shut(comp)
        _, report = await self.standing.open_all(*self.pair)
        assert report.code in {Code.OK, Code.USED}
        await self.standing.pass_time()
        for comp in comps:
            self.opened_by_all[comp] += self.standing.hardware.door(comp) is Door.OPEN
        for comp in comps:
            await self._shut(comp)
        if report.code == Code.OK:
            await self._open_all()

    async def _acknowledge(self) -> None:
        standing = self.standing
        kind = standing.acknowledgement(iat=standing.locker.hello().now)
        await standing.ask(Operation.SYNC, None, kind, role=Role.COURIER)
