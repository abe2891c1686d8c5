"""The monitor's desk: looks, writes down what it found, and only then tells it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from schema.checkpoint.trust import TRUST_BYTES, Trust, parse_trust
from schema.codec import Malformed
from server.ledger.monitor.findings import CannotTell, Found
from server.ledger.monitor.looking import look
from server.ledger.monitor.sources import FolderSource, HttpSource, Source
from server.ledger.monitor.state import State, read_state, write_state

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from server.kit.clock import Clock

ALL_WELL, FOUND, CANNOT_TELL = 0, 1, 2


@dataclass(slots=True)
class Desk:
    """One log, and whoever hears of it. `wait` ends early, and then says so, when told to end."""

    source: Source
    trust: Trust
    file: Path
    clock: Clock
    tell: Callable[[str], None]
    delay_s: int
    as_json: bool = False

    def watch(self, *, every_s: int, wait: Callable[[float], bool]) -> int:
        """Looks again and again until it is told to end; the status of the last look."""
        # What was written down and perhaps not told any more before the end of the last process.
        status = self.look(told=())
        while not wait(every_s):
            status = self.look()
        return status

    def look(self, told: tuple[Found, ...] | None = None) -> int:
        """Looks once; 1 while any finding stands, 2 if nothing can be said, else 0.

        What is new is told, and all that is not in `told`. It is durable by then: if we crash
        before, the next process tells it.
        """
        try:
            before = read_state(self.file)
        except CannotTell as error:
            return self._cannot(error, ())
        try:
            after = look(
                self.source, self.trust, before, now=self.clock.now(), delay_s=self.delay_s
            )
            if after != before:
                write_state(self.file, after)
        except CannotTell as error:
            return self._cannot(error, before.findings)
        known = before.findings if told is None else told
        self._say(after, [one for one in after.findings if one not in known])
        return FOUND if after.findings else ALL_WELL

    def forget(self) -> None:
        """Forgets the findings so far; CannotTell if the file cannot be written."""
        state = read_state(self.file)
        if state.findings:
            write_state(self.file, replace(state, findings=()))

    def _cannot(self, error: CannotTell, standing: tuple[Found, ...]) -> int:
        if self.as_json:
            self.tell(json.dumps({"at": self._now(), "cannot_tell": f"{error}"}))
        else:
            self.tell(f"{self._now()} cannot tell: {error}")
        return FOUND if standing else CANNOT_TELL

    def _say(self, state: State, news: list[Found]) -> None:
        if self.as_json:
            self.tell(json.dumps(self._as_object(state, news)))
            return
        for one in news:
            self.tell(f"{self._now()} {one}")
        word = f"{len(state.findings)} findings" if state.findings else "all is well"
        root = state.root.hex()[:16]
        counts = f"{state.size} leaves of {len(state.places)} lockers, root {root}"
        self.tell(f"{self._now()} {state.origin or 'no log yet'}: {counts}: {word}")

    def _as_object(self, state: State, news: list[Found]) -> dict[str, object]:
        return {
            "at": self._now(),
            "log": state.origin,
            "size": state.size,
            "root": state.root.hex(),
            "lockers": len(state.places),
            "standing": len(state.findings),
            "found": [
                {"kind": one.kind, "text": one.text, "evidence": [*one.evidence]} for one in news
            ],
        }

    def _now(self) -> str:
        return f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"


def open_desk(options: argparse.Namespace, clock: Clock, tell: Callable[[str], None]) -> Desk:
    """The desk by the words of the command; CannotTell says what is wrong with them."""
    try:
        with options.trust.open("rb") as file:
            trust = parse_trust(file.read(TRUST_BYTES + 1))
    except OSError as error:
        raise CannotTell(f"{options.trust}: {error.strerror}") from error
    except Malformed as error:
        raise CannotTell(f"{options.trust}: {error}") from error
    return Desk(
        source=_open_source(options.log, trust),
        trust=trust,
        file=options.state,
        clock=clock,
        tell=tell,
        delay_s=options.max_merge_delay,
        as_json=options.json,
    )


def _open_source(place: str | None, trust: Trust) -> Source:
    if place is not None and "://" not in place:
        if not Path(place).is_dir():
            raise CannotTell(f"there is no folder {place}")
        return FolderSource(Path(place))
    urls = [trust.urls[key] for key in trust.logs if key in trust.urls]
    if place is None and not urls:
        raise CannotTell("--log is needed: the trust file has no address of a log")
    return HttpSource(place or urls[0])
