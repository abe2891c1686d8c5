"""Another hub for a parcel on its way: by its recipient, in time, where they allow it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from schema.compartments import ClimateZone, ReachBand
from server.hubs.rules import HubKind
from server.hubs.tables import Hub
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.kit.outbox import Outbox
from server.lockers.tables import Locker, Reservation
from server.parcels.service.redirecting import CHOICES, REDIRECTED, list_choices, redirect
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, ParcelEvent
from server.people.preferences import Preferences
from server.people.service.preferences import change_preferences
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from server.hubs.service import HubChoice
    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town

OTHER = key_of("other hub")


class Post:
    """A parcel on its way to the town's hub, and another hub beside it."""

    def __init__(self, database: Database, town: Town, ids: CountedIds) -> None:
        self.database, self.town, self.ids = database, town, ids

    async def send(
        self,
        state: ParcelState = ParcelState.IN_TRANSIT,
        *,
        kind: HubKind = HubKind.LOCKER,
        **about: Any,
    ) -> None:
        async with self.database.write() as session:
            hub = await session.get_one(Hub, self.town.hub_id)
            session.add(Hub(**{**hub.model_dump(), "id": OTHER, "name": "Mill", "kind": kind}))
            parcel = await self.town.add_parcel(session, state=state)
            for name, value in about.items():
                setattr(parcel, name, value)
            await self.town.reserve(session, parcel, 2)

    async def move_locker_to_other_hub(self) -> None:
        async with self.database.write() as session:
            (await session.get_one(Locker, self.town.locker_id)).hub_id = OTHER

    async def prefer(self, **wanted: Any) -> None:
        async with self.database.write() as session:
            await change_preferences(
                session, self.town.recipient, wanted=Preferences(**wanted), now=START
            )

    async def redirect(self, actor: Actor) -> Parcel | Refusal:
        async with self.database.write() as session:
            return await redirect(
                session, actor, parcel_id=key_of("parcel"), hub_id=OTHER, ids=self.ids, now=START
            )

    async def add_hubs(self, *names: str, kind: HubKind = HubKind.LOCKER) -> None:
        """Hubs ever farther to the north."""
        async with self.database.write() as session:
            hub = (await session.get_one(Hub, self.town.hub_id)).model_dump()
            for number, name in enumerate(names, start=1):
                about = {"id": key_of(name), "name": name, "kind": kind}
                latitude = hub["latitude"] + number / 100
                session.add(Hub(**{**hub, **about, "latitude": latitude}))

    async def choices(self, actor: Actor) -> list[HubChoice]:
        async with self.database.read() as session:
            return await list_choices(session, actor, parcel_id=key_of("parcel"), now=START)

    async def parcel(self) -> Parcel:
        async with self.database.read() as session:
            return await session.get_one(Parcel, key_of("parcel"))


@pytest.fixture
def post(database: Database, town: Town, ids: CountedIds) -> Post:
    return Post(database, town, ids)


def code_of(outcome: object) -> ProblemCode:
    assert isinstance(outcome, Refusal)
    return outcome.code


async def test_recipient_chooses_another_hub_and_nothing_is_kept_at_the_former(post: Post) -> None:
    await post.send()
    for _ in range(2):
        assert isinstance(await post.redirect(post.town.recipient), Parcel)
    parcel = await post.parcel()
    assert (parcel.hub_id, parcel.planned_hub_id, parcel.version) == (OTHER, OTHER, 1)
    async with post.database.read() as session:
        [line] = (await session.exec(select(ParcelEvent))).all()
        [kept] = (await session.exec(select(Reservation))).all()
        told = (await session.exec(select(Outbox).where(Outbox.kind == REDIRECTED))).all()
    assert (line.row, line.reason, line.actor_id) == ("P19b", "to Mill", key_of("recipient"))
    assert kept.ended_at is not None
    assert len(told) == 1


@pytest.mark.parametrize(
    "state",
    sorted(
        set(ParcelState) - {ParcelState.ANNOUNCED, ParcelState.IN_TRANSIT, ParcelState.COLLECTED}
    ),
)
async def test_it_is_too_late_once_the_parcel_is_on_its_last_tour(
    post: Post, state: ParcelState
) -> None:
    await post.send(state)
    refused = await post.redirect(post.town.recipient)
    assert code_of(refused) is ProblemCode.WRONG_STATE
    assert isinstance(refused, Refusal)
    assert refused.next
    assert (await post.parcel()).hub_id == post.town.hub_id


async def test_nobody_else_chooses(post: Post) -> None:
    await post.send()
    for actor in (post.town.stranger, post.town.courier, post.town.operator):
        assert code_of(await post.redirect(actor)) is ProblemCode.NOT_FOUND


async def test_a_hub_that_they_have_ruled_out_is_not_chosen_by_mistake(post: Post) -> None:
    await post.send(kind=HubKind.SERVICE_POINT)
    await post.prefer(allowed_hubs=(post.town.hub_id,))
    refused = await post.redirect(post.town.recipient)
    assert code_of(refused) is ProblemCode.CONSENT_MISSING
    assert isinstance(refused, Refusal)
    assert (refused.field, bool(refused.next)) == ("hub", True)


RULED_OUT: list[dict[str, Any]] = [
    {"counter_only": True},
    {"never_app_only": True},
    {"never_ambient_if_perishable": True},
    {"reach": ReachBand(0, 100)},
]


@pytest.mark.parametrize("wanted", RULED_OUT, ids=lambda it: next(iter(it)))
@pytest.mark.parametrize("kind", [HubKind.LOCKER, HubKind.SERVICE_POINT])
async def test_hard_limits_hold_at_the_new_hub_unless_it_has_a_counter(
    post: Post, wanted: dict[str, Any], kind: HubKind
) -> None:
    await post.send(kind=kind, is_perishable=True)
    await post.move_locker_to_other_hub()
    await post.prefer(**wanted)
    outcome = await post.redirect(post.town.recipient)
    if kind is HubKind.SERVICE_POINT:
        assert isinstance(outcome, Parcel)
    else:
        assert code_of(outcome) is ProblemCode.CONSENT_MISSING
        assert (await post.parcel()).hub_id == post.town.hub_id


@pytest.mark.parametrize("reach", [None, ReachBand(300, 500)])
async def test_a_hub_where_one_compartment_will_do_is_chosen_by_who_is_away(
    post: Post, reach: ReachBand | None
) -> None:
    await post.send()
    await post.move_locker_to_other_hub()
    await post.prefer(reach=reach, hold_until=START.date() + timedelta(days=9))
    assert isinstance(await post.redirect(post.town.recipient), Parcel)


async def test_chilled_food_is_not_sent_to_a_hub_that_cools_nothing(post: Post) -> None:
    await post.send(climate_zone=ClimateZone.CHILLED)
    await post.move_locker_to_other_hub()
    assert code_of(await post.redirect(post.town.recipient)) is ProblemCode.NO_CLIMATE


async def test_nothing_is_fetched_at_a_depot(post: Post) -> None:
    await post.send(kind=HubKind.DEPOT)
    assert code_of(await post.redirect(post.town.recipient)) is ProblemCode.NOT_FOUND


async def test_favourites_are_offered_first_then_the_nearest_but_not_where_it_goes_anyway(
    post: Post,
) -> None:
    await post.send()
    await post.add_hubs("near", "far", "farther")
    await post.prefer(favourite_hubs=(key_of("farther"), post.town.hub_id))
    offered = await post.choices(post.town.recipient)
    assert [one.hub.name for one in offered] == ["farther", "Mill", "near", "far"]
    assert [one.is_favourite for one in offered] == [True, False, False, False]
    distances = [one.distance_m for one in offered]
    assert distances[1] == 0
    assert distances[1:] == sorted(distances[1:])
    assert distances[0] == max(distances)


async def test_what_is_offered_can_be_chosen_and_what_is_ruled_out_is_not_offered(
    post: Post,
) -> None:
    await post.send()
    await post.add_hubs("near", "far")
    await post.add_hubs("depot", kind=HubKind.DEPOT)
    await post.prefer(allowed_hubs=(OTHER, key_of("far")), favourite_hubs=(key_of("near"),))
    offered = await post.choices(post.town.recipient)
    assert [one.hub.id for one in offered] == [OTHER, key_of("far")]
    assert isinstance(await post.redirect(post.town.recipient), Parcel)


async def test_nobody_is_offered_a_choice_that_is_not_theirs_or_too_late(post: Post) -> None:
    await post.send(ParcelState.OUT_FOR_DELIVERY)
    assert await post.choices(post.town.recipient) == []
    async with post.database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).state = ParcelState.ANNOUNCED
    assert await post.choices(post.town.stranger) == []
    assert await post.choices(ANONYMOUS) == []
    assert [one.hub.id for one in await post.choices(post.town.recipient)] == [OTHER]


async def test_ten_are_offered_at_most(post: Post) -> None:
    await post.send()
    await post.add_hubs(*(f"hub {number}" for number in range(15)))
    assert len(await post.choices(post.town.recipient)) == CHOICES
