"""Stays, openings, used tokens and pulses: what must be durable before a bolt moves.

Every change is made inside a `Record`; reading gives the frozen values that `policy` judges.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ble_agent.errors import SettingsRefused
from ble_agent.journal import get_number
from ble_agent.policy.lockout import Lockout
from ble_agent.policy.world import Bearer, Compartment, Opening, Phase
from schema.ids import ID_SIZE, StayId
from schema.keys import Operation
from schema.tokens.passes import QR_STEP_S

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from ble_agent.journal import Record
    from ble_agent.policy.verdicts import Permit
    from ble_agent.store import Store

TABLES: Final = (
    "CREATE TABLE compartments (number INTEGER PRIMARY KEY, stay BLOB UNIQUE, last_ended BLOB)"
    " STRICT",
    "CREATE TABLE openings (comp INTEGER PRIMARY KEY REFERENCES compartments (number),"
    " op INTEGER NOT NULL, holder BLOB NOT NULL, token BLOB NOT NULL, cti BLOB, second_cti BLOB,"
    " stay BLOB NOT NULL, exp INTEGER NOT NULL, phase TEXT NOT NULL,"
    " accepted_seq INTEGER NOT NULL, occupied_before INTEGER,"
    " first_opened_s REAL, first_closed_s REAL, is_overdue INTEGER NOT NULL,"
    " machine_start TEXT NOT NULL) STRICT",
    "CREATE TABLE uses (cti BLOB NOT NULL, comp INTEGER NOT NULL, exp INTEGER NOT NULL,"
    " PRIMARY KEY (cti, comp)) STRICT",
    "CREATE TABLE pulses (subject BLOB NOT NULL, comp INTEGER NOT NULL, n INTEGER NOT NULL,"
    " exp INTEGER NOT NULL, PRIMARY KEY (subject, comp)) STRICT",
)

TABLES_OF_PASSES: Final = (
    "CREATE TABLE lockouts (comp INTEGER PRIMARY KEY REFERENCES compartments (number),"
    " wrong INTEGER NOT NULL, last_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE shown (cti BLOB NOT NULL, step INTEGER NOT NULL, PRIMARY KEY (cti, step)) STRICT",
)
"""Version 2 of the file: what keypad and scanner must not forget."""

_ANY_COMPARTMENT = -1
"""Stands for the compartment in a use or a count that belongs to a token or stay as a whole."""

_OPENING_COLUMNS = (
    "comp, op, holder, token, cti, second_cti, stay, exp, phase, accepted_seq,"
    " occupied_before, first_opened_s, first_closed_s, is_overdue, machine_start"
)


def restore_stays(store: Store, stays: Mapping[int, StayId]) -> None:
    """Commissioning of a new board: what the server says lies behind the doors, in one commit.

    SettingsRefused, and nothing done, once the locker has started, or for stays or compartments
    that cannot be its own. Repeating changes nothing.
    """
    with store.transaction("restore") as connection:
        known = {number for (number,) in connection.execute("SELECT number FROM compartments")}
        if not stays.keys() <= known or any(len(stay) != ID_SIZE for stay in stays.values()):
            raise SettingsRefused("the server names stays that this locker cannot hold")
        if stays and get_number(connection, "boot"):
            raise SettingsRefused("only a board that never started takes over what lies inside")
        connection.executemany(
            "UPDATE compartments SET stay = ? WHERE number = ?",
            [(stay, number) for number, stay in stays.items()],
        )


class Redemptions:
    """The durable side of every opening.

    `machine_start` names this start of the machine: uptimes written under another one are void.
    """

    def __init__(self, store: Store, *, machine_start: str) -> None:
        self._store = store
        self._machine_start = machine_start
        self._cached: dict[int, Compartment] | None = None
        self._staged: tuple[Record, dict[int, Compartment]] | None = None

    def stored(self) -> Mapping[int, Compartment]:
        """All compartments as the disk has them."""
        if self._cached is None:
            with self._store.reading() as connection:
                self._cached = self._load(connection)
        return self._cached

    def used(self, ctis: Iterable[bytes]) -> frozenset[tuple[bytes, int | None]]:
        """The consumed uses of these tokens."""
        with self._store.reading() as connection:
            return frozenset(
                (cti, None if comp == _ANY_COMPARTMENT else comp)
                for cti in ctis
                for (comp,) in connection.execute("SELECT comp FROM uses WHERE cti = ?", (cti,))
            )

    def pulses(self, subjects: Iterable[bytes]) -> dict[bytes | tuple[bytes, int], int]:
        """The pulses spent on these stays, and on these tokens by compartment."""
        with self._store.reading() as connection:
            return {
                subject if comp == _ANY_COMPARTMENT else (subject, comp): n
                for subject in subjects
                for comp, n in connection.execute(
                    "SELECT comp, n FROM pulses WHERE subject = ?", (subject,)
                )
            }

    def lockout(self, comp: int) -> Lockout:
        """The wrong tries at a compartment's PIN; none for a number that no door bears."""
        if comp not in self.stored():
            return Lockout()
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT wrong, last_at FROM lockouts WHERE comp = ?", (comp,)
            ).fetchone()
        return Lockout(*row) if row else Lockout()

    def put_lockout(self, record: Record, comp: int, lockout: Lockout) -> None:
        """Store the wrong tries at a compartment's PIN as they are now."""
        record.connection.execute(
            "INSERT OR REPLACE INTO lockouts (comp, wrong, last_at) VALUES (?, ?, ?)",
            (comp, lockout.wrong, lockout.last_at),
        )

    def forget_lockout(self, record: Record, comp: int) -> None:
        """A success, or a new stay: the compartment's PIN may be tried five times again."""
        record.connection.execute("DELETE FROM lockouts WHERE comp = ?", (comp,))

    def used_steps(self, cti: bytes) -> frozenset[int]:
        """The minutes in which this token, shown as a code, has let somebody in."""
        with self._store.reading() as connection:
            rows = connection.execute("SELECT step FROM shown WHERE cti = ?", (cti,))
            return frozenset(step for (step,) in rows)

    def use_step(self, record: Record, cti: bytes, step: int) -> None:
        """This minute's code of the token lets nobody in again."""
        record.connection.execute("INSERT INTO shown (cti, step) VALUES (?, ?)", (cti, step))

    def accept(
        self, record: Record, permit: Permit, comp: int, *, seq: int, occupied: bool | None
    ) -> None:
        """Store the intent to open `comp`, and one pulse of its budget, in place of the former."""
        former = self._stage(record)[comp].opening
        again = former is not None and former.op is permit.op is Operation.DEPOSIT
        keeps = again and former is not None and former.bearer == permit.bearer
        opening = Opening(
            comp=comp,
            op=permit.op,
            bearer=permit.bearer,
            cti=permit.cti,
            second_cti=permit.second_cti,
            stay=permit.stay,
            exp=permit.exp,
            phase=Phase.ACCEPTED,
            accepted_seq=seq,
            occupied_before=occupied,
            first_closed_s=former.first_closed_s if keeps and former is not None else None,
        )
        self.put(record, opening)
        self.count_pulse(record, opening)

    def put(self, record: Record, opening: Opening) -> None:
        """Store an opening as it is now."""
        self._change(record, opening.comp, opening=opening)
        marks = ", ".join("?" * len(_OPENING_COLUMNS.split(",")))
        record.connection.execute(
            f"INSERT OR REPLACE INTO openings ({_OPENING_COLUMNS}) VALUES ({marks})",  # noqa: S608 - constants
            (
                opening.comp,
                int(opening.op),
                opening.bearer.holder,
                opening.bearer.token,
                opening.cti,
                opening.second_cti,
                opening.stay,
                opening.exp,
                opening.phase.value,
                opening.accepted_seq,
                _as_number(opening.occupied_before),
                opening.first_opened_s,
                opening.first_closed_s,
                int(opening.is_overdue),
                self._machine_start,
            ),
        )

    def count_pulse(self, record: Record, opening: Opening) -> None:
        """Spend one pulse of the stay, or of the token at this compartment."""
        counted = opening.count_subject
        subject, comp = counted if isinstance(counted, tuple) else (counted, _ANY_COMPARTMENT)
        record.connection.execute(
            "INSERT INTO pulses (subject, comp, n, exp) VALUES (?, ?, 1, ?)"
            " ON CONFLICT (subject, comp) DO UPDATE SET n = n + 1, exp = max(exp, excluded.exp)",
            (subject, comp, opening.exp),
        )

    def consume_opening(self, record: Record, opening: Opening) -> None:
        """Consume the use of a token without a stay, now that its door has opened."""
        if opening.op is Operation.DEPOSIT or (opening.stay and opening.op is Operation.OPEN):
            return
        for cti in filter(None, (opening.cti, opening.second_cti)):
            self._use(record, cti, opening.comp, opening.exp)

    def consume_deposit(self, record: Record, opening: Opening) -> None:
        """Consume a deposit token, now that its door has closed."""
        if opening.cti is not None:
            self._use(record, opening.cti, _ANY_COMPARTMENT, opening.exp)

    def store_stay(self, record: Record, comp: int, stay: StayId) -> None:
        """A deposit has closed: the stay is in `comp`, and its pulses count anew."""
        self._change(record, comp, stay=stay)
        record.connection.execute("UPDATE compartments SET stay = ? WHERE number = ?", (stay, comp))
        record.connection.execute("DELETE FROM pulses WHERE subject = ?", (stay,))
        self.forget_lockout(record, comp)

    def end_stay(self, record: Record, comp: int, stay: StayId) -> None:
        """The stay in `comp` is over; every token for it is dead from here on."""
        self._change(record, comp, stay=None, last_ended=stay)
        record.connection.execute(
            "UPDATE compartments SET stay = NULL, last_ended = ? WHERE number = ?", (stay, comp)
        )
        record.connection.execute("DELETE FROM pulses WHERE subject = ?", (stay,))

    def prune(self, record: Record, before: int) -> None:
        """Forget uses and counts of tokens that ended before this server-signed time.

        The count of a stay outlives its tokens: the next one must not get twenty pulses more.
        """
        record.connection.execute("DELETE FROM uses WHERE exp < ?", (before,))
        record.connection.execute(
            "DELETE FROM pulses WHERE exp < ?"
            " AND subject NOT IN (SELECT stay FROM compartments WHERE stay IS NOT NULL)",
            (before,),
        )
        # A minute counts until its next neighbour is over.
        record.connection.execute("DELETE FROM shown WHERE step < ?", (before // QR_STEP_S - 1,))

    def _stage(self, record: Record) -> dict[int, Compartment]:
        """The compartments as `record` will leave them, which hold once it is durable."""
        if self._staged is None or self._staged[0] is not record:
            self._staged = (record, dict(self.stored()))
            record.after_commit(self._adopt)
        return self._staged[1]

    def _change(self, record: Record, comp: int, **changes: Any) -> None:
        staged = self._stage(record)
        staged[comp] = replace(staged[comp], **changes)

    def _adopt(self) -> None:
        assert self._staged is not None
        self._cached, self._staged = self._staged[1], None

    def _use(self, record: Record, cti: bytes, comp: int, exp: int) -> None:
        record.connection.execute(
            "INSERT OR IGNORE INTO uses (cti, comp, exp) VALUES (?, ?, ?)", (cti, comp, exp)
        )

    def _load(self, connection: sqlite3.Connection) -> dict[int, Compartment]:
        rows = connection.execute(f"SELECT {_OPENING_COLUMNS} FROM openings")  # noqa: S608 - constants
        openings = {row[0]: self._read_opening(row) for row in rows}
        return {
            number: Compartment(
                number=number,
                stay=None if stay is None else StayId(stay),
                last_ended=None if ended is None else StayId(ended),
                opening=openings.get(number),
            )
            for number, stay, ended in connection.execute(
                "SELECT number, stay, last_ended FROM compartments ORDER BY number"
            )
        }

    def _read_opening(self, row: tuple[object, ...]) -> Opening:
        comp, op, holder, token, cti, second, stay, exp, phase, seq, before, *rest = row
        opened, closed, overdue, start = rest
        is_known = start == self._machine_start
        return Opening(
            comp=_int(comp),
            op=Operation(_int(op)),
            bearer=Bearer(_bytes(holder), _bytes(token)),
            cti=None if cti is None else _bytes(cti),
            second_cti=None if second is None else _bytes(second),
            stay=StayId(_bytes(stay)),
            exp=_int(exp),
            phase=Phase(str(phase)),
            accepted_seq=_int(seq),
            occupied_before=None if before is None else bool(before),
            first_opened_s=opened if is_known and isinstance(opened, float) else None,
            first_closed_s=closed if is_known and isinstance(closed, float) else None,
            is_overdue=bool(overdue),
        )


def _as_number(flag: bool | None) -> int | None:
    return None if flag is None else int(flag)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value
