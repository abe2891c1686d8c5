"""The database: engine, read and write transactions, names of constraints. Knows no table.

The same code runs on SQLite and PostgreSQL. Nothing here outlives a transaction on the server
side (no session settings, no advisory session locks), so a transaction pooler may stand between.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Enum,
    MetaData,
    Select,
    and_,
    bindparam,
    event,
    false,
    inspect,
    or_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from server.kit.ids import SystemRandomness
from server.kit.sqlite import connector

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Collection,
        Iterable,
        Mapping,
        Sequence,
    )
    from enum import StrEnum

    from sqlalchemy.orm import Mapped
    from sqlalchemy.orm import Session as SyncSession

    from server.kit.ids import Randomness

    LastStep = Callable[[AsyncSession, Randomness], Awaitable[None]]

SQLITE_WAIT_MS = 10_000
"""How long a SQLite connection waits for another's write transaction before it gives up."""

POOL_SIZE = 10
"""Connections a process keeps to PostgreSQL; as many again for a burst."""

READS_ONLY = "restante_reads_only"

HAS_NEWS = "restante_has_news"
"""Mark in `session.info`: this transaction leaves something that somebody waits for."""

CHANGED = "restante_changed"
"""Place in `session.info`: the topics of which this transaction changes what others may watch."""

LAST_STEPS = "restante_last_steps"
"""Place in `session.info`: what is left to write when everything else is."""

Session = AsyncSession
"""One transaction in the hands of a service, which may not import what it is made of."""

Query = TypeVar("Query", bound=Select[*tuple[Any, ...]])

metadata: MetaData = SQLModel.metadata
metadata.naming_convention = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def enum_text(kind: type[StrEnum], *, length: int = 32) -> Any:
    """Column type for `Field(sa_type=...)` that keeps a StrEnum as the text of its value.

    A new member needs no migration, unlike PostgreSQL's own enum types.
    """
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=length,
        values_callable=lambda members: [member.value for member in members],
    )


class Database:
    """One database by its SQLAlchemy address; connects on first use. Close it in its event loop.

    `statement_cache=False` turns off prepared statements, for PostgreSQL behind a transaction
    pooler. `durable=False` lets SQLite lose commits in a power cut, for data that nobody misses.
    `on_news` is awaited after the commit of a transaction that is marked `HAS_NEWS`, `on_change`
    with the topics that were `CHANGED` in it; if we crash before, both are missed. `randomness` is
    for the last steps of transactions.
    """

    def __init__(
        self,
        url: str,
        *,
        statement_cache: bool = True,
        durable: bool = True,
        on_news: Callable[[], Awaitable[None]] | None = None,
        on_change: Callable[[Iterable[str]], Awaitable[None]] | None = None,
        randomness: Randomness | None = None,
    ) -> None:
        self._randomness = randomness or SystemRandomness()
        self._on_news = on_news
        self._turns: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}
        self.on_change = on_change
        if url.startswith("sqlite"):
            self.engine = _make_sqlite_engine(url, durable=durable)
        else:
            self.engine = _make_postgres_engine(url, statement_cache=statement_cache)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite, where code must check what only PostgreSQL can constrain."""
        return self.engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction, committed at the end, rolled back if the block raises.

        On SQLite it starts with BEGIN IMMEDIATE: writers queue, so what is read inside stays true
        until the commit. On PostgreSQL rows that must not change meanwhile are read with
        `held` (which SQLite drops).
        """
        async with (
            self._turn(),
            AsyncSession(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            event.listen(session.sync_session, "after_flush", _note_changes)
            yield session
            for step in session.info.pop(LAST_STEPS, ()):
                await step(session, self._randomness)
        if self._on_news is not None and HAS_NEWS in session.info:
            await self._on_news()
        if self.on_change is not None and CHANGED in session.info:
            await self.on_change(session.info[CHANGED])

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """One transaction for reading, always rolled back; PostgreSQL refuses a write in it."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            await session.connection(execution_options=self._reading)
            yield session

    async def missing_tables(self, tables: Iterable[type[SQLModel]]) -> list[str]:
        """Names of those tables that the database lacks; none once it is migrated."""
        async with self.engine.connect() as connection:
            there = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
        return sorted({str(table.__tablename__) for table in tables} - there)

    async def is_reachable(self) -> bool:
        """Whether the database answers now."""
        try:
            async with self.read() as session:
                await session.exec(select(1))
        except (SQLAlchemyError, OSError):
            return False
        return True

    async def close(self) -> None:
        """Close all connections; the object is of no use afterwards."""
        await self.engine.dispose()
        self._turns.clear()

    def _turn(self) -> AbstractAsyncContextManager[None]:
        """The right to write to SQLite, which has one writer: ours queue here, in their order.

        Its own waiting looks again after ever longer sleeps, and of many the unlucky time out.
        """
        if not self.is_sqlite:
            return nullcontext()
        loop = asyncio.get_running_loop()
        return self._turns.setdefault(loop, asyncio.Lock())

    @property
    def _reading(self) -> dict[str, Any]:
        return {READS_ONLY: True} if self.is_sqlite else {"postgresql_readonly": True}


def at_commit(session: AsyncSession, step: LastStep) -> None:
    """Has the step done once, as the last thing before the commit, within the transaction.

    What it locks is held shortest, and by whoever holds all else already: nobody waits crosswise.
    """
    steps = session.info.setdefault(LAST_STEPS, [])
    if step not in steps:
        steps.append(step)


class Watched(Protocol):
    """A table whose rows others may watch."""

    def live_topics(self) -> Iterable[str]:
        """Who is to look again when this row is written or deleted."""


def _note_changes(session: SyncSession, _context: object) -> None:
    """Collect the topics of rows that go to the database; statements of their own say theirs."""
    for row in itertools.chain(session.new, session.dirty, session.deleted):
        topics = getattr(row, "live_topics", None)
        if topics is not None:
            session.info.setdefault(CHANGED, set()).update(topics())


def held(query: Query, *, of: type[SQLModel] | None = None, skip_locked: bool = False) -> Query:
    """The query, with the rows it finds kept from changing until the transaction ends.

    They are read anew even if this session knows them: they may have changed while we waited for
    the lock. New rows elsewhere may still refer to them. SQLite has no such locks and needs none.
    """
    locked = query.with_for_update(key_share=True, skip_locked=skip_locked, of=of)
    return locked.execution_options(populate_existing=True)


def is_one_of(column: Mapped[Any], members: Sequence[StrEnum]) -> ColumnElement[bool]:
    """Whether the column is one of these, written out in the statement and not bound to it.

    SQLite takes a partial index only for the very words of its condition, in the same order.
    """
    if len(members) == 1:
        return column == bindparam("word", members[0], literal_execute=True, unique=True)
    words: BindParameter[Any] = bindparam(
        "words", members, expanding=True, literal_execute=True, unique=True
    )
    return column.in_(words)


async def insert_new(session: AsyncSession, table: type[SQLModel], **values: Any) -> bool:
    """Inserts a row unless its key is taken, and tells whether it did. Of two racers one wins."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing()
    result = await session.exec(statement)
    return bool(result.rowcount)


async def insert_all_new(
    session: AsyncSession, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Inserts many rows in one statement, leaving out those whose key is taken."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    await session.exec(dialect.insert(table).on_conflict_do_nothing(), params=list(rows))


async def insert_or_count(
    session: AsyncSession,
    table: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[Mapped[Any]],
    counter: str,
) -> Sequence[Sequence[Any]]:
    """Inserts rows of different keys, or adds one to the counter of those that are there.

    Returns id, counter and key of each.
    """
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    columns = metadata.tables[str(table.__tablename__)].c
    counted = dialect.insert(columns.id.table).on_conflict_do_update(
        index_elements=list(key), set_={counter: columns[counter] + 1}
    )
    connection = await session.connection()
    result = await connection.execute(
        counted.returning(columns.id, columns[counter], *key), list(rows)
    )
    return [tuple(row) for row in result.all()]


async def update_all(
    session: AsyncSession,
    table: type[SQLModel],
    where: ColumnElement[bool],
    rows: Sequence[Mapping[str, Any]],
    **values: Any,
) -> None:
    """The same change of many rows, prepared once; each of `rows` binds what its own is about."""
    connection = await session.connection()
    change = update(metadata.tables[str(table.__tablename__)]).where(where).values(**values)
    await connection.execute(change, list(rows))


def one_of(
    columns: Sequence[Mapped[Any]], keys: Collection[tuple[Any, ...]]
) -> ColumnElement[bool]:
    """Whether these columns together are one of the keys; of none they are none.

    Grouped by all but the last column: for a plain list of tuples SQLite looks through the whole
    table.
    """
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for *first, last in keys:
        groups.setdefault(tuple(first), []).append(last)
    *leading, final = columns

    def is_in_group(first: tuple[Any, ...], lasts: list[Any]) -> ColumnElement[bool]:
        same = (column == value for column, value in zip(leading, first, strict=True))
        return and_(*same, final.in_(lasts))

    return or_(false(), *(is_in_group(first, lasts) for first, lasts in groups.items()))


async def replace_all(
    session: AsyncSession, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Inserts many rows in one statement, each in the place of the one whose key it has."""
    if not rows:
        return
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    local = inspect(table).local_table
    statement = dialect.insert(local)
    keys = [column.name for column in local.primary_key]
    changes = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection = await session.connection()
    await connection.execute(
        statement.on_conflict_do_update(index_elements=keys, set_=changes), list(rows)
    )


async def upsert(
    session: AsyncSession,
    table: type[SQLModel],
    rows: Sequence[Mapping[str, Any]],
    *,
    sums: Collection[str],
    newest: str,
) -> None:
    """Inserts the rows; where a key is taken, adds `sums` to what stands there, if `newest` rises.

    A row of the same or a lower `newest` leaves what stands there as it is, so that a repeated
    call counts once.
    """
    if not rows:
        return
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values([*rows])
    there, coming = inspect(table).local_table.c, statement.excluded
    changes = {name: there[name] + coming[name] for name in sums} | {newest: coming[newest]}
    await session.exec(
        statement.on_conflict_do_update(
            index_elements=[*inspect(table).primary_key],
            set_=changes,
            where=there[newest] < coming[newest],
        )
    )


def _make_postgres_engine(url: str, *, statement_cache: bool) -> AsyncEngine:
    off = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    return create_async_engine(
        url,
        hide_parameters=True,  # values are people's data, and errors end in logs
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_pre_ping=True,
        connect_args={} if statement_cache else off,
    )


def _make_sqlite_engine(url: str, *, durable: bool) -> AsyncEngine:
    settings = (
        "journal_mode=WAL",
        # A locker deletes what we acknowledge, so a commit must outlive a power cut.
        f"synchronous={'FULL' if durable else 'OFF'}",
        "foreign_keys=ON",
        f"busy_timeout={SQLITE_WAIT_MS}",
    )

    arguments = {"timeout": SQLITE_WAIT_MS / 1000, "async_creator_fn": connector(settings)}
    engine = create_async_engine(url, connect_args=arguments, hide_parameters=True)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: Connection) -> None:
    reads_only = connection.get_execution_options().get(READS_ONLY)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
