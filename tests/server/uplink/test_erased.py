"""A journal that comes home after somebody in it was erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmodel import col, select

from schema.journal import Kind
from schema.tokens import parse_token
from server.ledger.tables import JournalEntry
from server.notices.service.erasing import erase_account
from server.parcels.states import ParcelState
from tests.fakes.town import key_of, phone_key

if TYPE_CHECKING:
    from tests.server.uplink.conftest import Story


async def test_what_comes_late_of_an_erased_phone_leaves_no_word_and_no_gap(story: Story) -> None:
    await story.deposit(3)
    await story.bring_all()
    token = (await story.unlock_bundle()).token.raw
    story.machine.admit(token, 3, phone_key("recipient"))
    story.machine.move_door(3, before=True, after=False)
    story.machine.write(Kind.COLLECTED, 3, parse_token(token).claims.stay, 1)
    await story.bring_all()
    assert await story.state() is ParcelState.COLLECTED
    async with story.database.write() as session:
        erased = await erase_account(
            session, story.town.recipient, person_id=None, now=story.clock.now()
        )
    assert erased == key_of("recipient")
    story.machine.admit(token, 3, phone_key("recipient"))
    last = story.machine.move_door(3, before=False, after=False)
    await story.bring_all()
    async with story.database.read() as session:
        query = select(JournalEntry).where(JournalEntry.lid == story.machine.lid)
        rows = (await session.exec(query.order_by(col(JournalEntry.seq)))).all()
    assert rows[-1].seq == last
    assert [row.head for row in rows] == [story.machine.head_at(row.seq) for row in rows]
    named = [row for row in rows if row.kind == Kind.ACCEPTED and row.cti is not None]
    assert len(named) == 1, "the courier's"
    words = b"".join(row.raw or b"" for row in rows)
    claims = parse_token(token).claims
    assert bytes(claims.cti) not in words
    assert bytes(claims.stay) not in words
    assert (await story.incidents()) == []
