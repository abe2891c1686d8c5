"""A ceremony's table for tests: cheap passphrases, answers given ahead, everything said kept."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.kit.ceremony.desk import Desk, Terminal, add_arguments
from server.kit.ceremony.keyfiles import Cost
from tests.fakes.sources import MovableClock, SeededRandomness

if TYPE_CHECKING:
    from pathlib import Path

CHEAP = Cost(1, 8192)
PASSPHRASE = "correct horse battery"


@dataclass
class Table:
    """Whoever sits here says yes, unless told otherwise, and types the same passphrase."""

    folder: Path
    answer: bool = True
    typed: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    clock: MovableClock = field(default_factory=MovableClock)
    randomness: SeededRandomness = field(default_factory=SeededRandomness)

    def run(self, *words: str) -> int:
        """`./restante keys WORDS`; a word with a dot is a file of this table's folder."""
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        options = parser.parse_args([self.path(word) for word in words])
        terminal = Terminal(self.said.append, lambda _: self.answer, self._type)
        return Desk(terminal, self.clock, self.randomness, CHEAP).run(options)

    def path(self, word: str) -> str:
        """The word, or the file that it names."""
        return str(self.folder / word) if "." in word and "/" not in word else word

    def read(self, name: str) -> str:
        """What a file of the table holds."""
        return (self.folder / name).read_text()

    def _type(self, _: str) -> str:
        return self.typed.pop(0) if self.typed else PASSPHRASE
