"""The unlock bundle: what one phone takes along to open one door with everything else offline."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from schema.codes import ProblemCode
from schema.compartments import ClimateZone
from schema.cose import Aad
from schema.keys import Operation, Role
from schema.statements import KeySetStatement, StatementType, parse_statement
from schema.tokens import Claims, parse_token
from server.access import queries
from server.access.rules import GrantState
from server.access.service.bundles import UnlockBundle, make_unlock_bundle
from server.access.service.revocations import Withdrawn, revoke_grant
from server.hubs.tables import Hub
from server.kit.auth import ANONYMOUS, Actor
from server.kit.errors import Refusal
from server.parcels.deadlines import GRACE, HOLD
from server.parcels.service.extending import Wish, extend
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, PauseCause, Stay
from tests.fakes.journals import stay_of
from tests.fakes.sources import START
from tests.fakes.town import Town, key_of, phone_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.access.service.bundles import Tools
    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring, MovableClock

STAY = stay_of(1)


async def put_in(
    database: Database,
    town: Town,
    *,
    state: ParcelState = ParcelState.DEPOSITED,
    through: datetime | None = None,
) -> None:
    """The parcel lies in compartment 3 of the town's locker."""
    async with database.write() as session:
        parcel = await town.add_parcel(session, state=state)
        session.add(
            Stay(
                id=key_of("stay"),
                name=STAY,
                created_at=START,
                locker_id=town.locker_id,
                compartment_id=key_of("door 3"),
                begun_at=START,
            )
        )
        await session.flush()
        parcel.stay_id = key_of("stay")
        parcel.available_through = through


async def ask(
    database: Database, actor: Actor, tools: Tools, *, parcel: str = "parcel"
) -> UnlockBundle | Refusal:
    async with database.write() as session:
        return await make_unlock_bundle(session, actor, parcel_id=key_of(parcel), tools=tools)


async def bundle(database: Database, actor: Actor, tools: Tools) -> UnlockBundle:
    got = await ask(database, actor, tools)
    assert isinstance(got, UnlockBundle)
    return got


async def code_of(database: Database, actor: Actor, tools: Tools, **asked: str) -> ProblemCode:
    got = await ask(database, actor, tools, **asked)
    assert isinstance(got, Refusal)
    return got.code


def claims_of(got: UnlockBundle) -> Claims:
    return parse_token(got.token.raw).claims


async def test_token_is_bound_to_the_calling_phone_and_the_stay(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await put_in(database, town)
    claims = claims_of(await bundle(database, town.recipient, tools()))
    assert claims.holder == phone_key("recipient").public
    assert (claims.stay, claims.role, claims.actions) == (STAY, Role.RECIPIENT, Operation.OPEN)
    assert (claims.comps, claims.depth, claims.minrev) == ((), 2, 0)


async def test_locker_that_learned_the_key_set_would_believe_the_token(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await put_in(database, town)
    got = await bundle(database, town.recipient, tools())
    token = parse_token(got.token.raw)
    body = parse_statement(StatementType.KEY_SET, got.statements[0].raw).body
    assert isinstance(body, KeySetStatement)
    key = next(key for key in body.keys if key.kid == token.signed.kid)
    assert token.signed.is_signed_by(key.public, Aad.TOKEN)
    assert key.allows(actions=token.claims.actions, nbf=token.claims.nbf, exp=token.claims.exp)


async def test_bundle_says_where_to_go(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await put_in(database, town)
    place = (await bundle(database, town.recipient, tools())).place
    assert (place.hub.name, place.compartment.label) == ("Corner Shop", "A3")
    assert place.locker.noise_public == town.machine.noise_public
    assert place.locker.sign_public == town.machine.key.public


@pytest.mark.parametrize(
    ("through_h", "is_low", "life_h"), [(None, False, 24), (5, False, 7), (None, True, 168)]
)
async def test_token_lives_as_long_as_the_policy_says(
    database: Database,
    town: Town,
    tools: Callable[[], Tools],
    through_h: int | None,
    is_low: bool,
    life_h: int,
) -> None:
    through = None if through_h is None else START + timedelta(hours=through_h)
    await put_in(database, town, through=through)
    async with database.write() as session:
        hub = await session.get(Hub, town.hub_id)
        assert hub is not None
        hub.low_connectivity = is_low
    claims = claims_of(await bundle(database, town.recipient, tools()))
    assert claims.exp - claims.nbf == life_h * 3600


async def test_asking_again_soon_gives_the_same_token(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    await put_in(database, town)
    first = await bundle(database, town.recipient, tools())
    clock.move(hours=11)
    assert (await bundle(database, town.recipient, tools())).token == first.token


async def test_asking_again_late_gives_a_longer_one(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    await put_in(database, town)
    first = await bundle(database, town.recipient, tools())
    clock.move(hours=13)
    second = await bundle(database, town.recipient, tools())
    assert second.token.exp == first.token.exp + 13 * 3600
    assert second.grant.id == first.grant.id


async def test_second_phone_gets_a_token_of_its_own(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await put_in(database, town)
    async with database.write() as session:
        device = await town.add_phone(session, "recipient second")
    other = Actor(town.recipient.person_id, device.id, grants=town.recipient.grants)
    first = claims_of(await bundle(database, town.recipient, tools()))
    second = claims_of(await bundle(database, other, tools()))
    assert second.holder == phone_key("recipient second").public
    assert second.cti != first.cti


async def test_phone_added_by_a_code_alone_waits(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    await put_in(database, town)
    async with database.write() as session:
        device = await town.add_phone(
            session, "recipient new", at=START + timedelta(hours=1), is_confirmed=False
        )
    new = Actor(town.recipient.person_id, device.id, grants=town.recipient.grants)
    clock.move(hours=2)
    assert await code_of(database, new, tools()) is ProblemCode.DEVICE_TOO_NEW
    clock.move(hours=23)
    await bundle(database, new, tools())


@pytest.mark.parametrize("who", ["stranger", "courier"])
async def test_parcel_of_another_is_not_found(
    database: Database, town: Town, tools: Callable[[], Tools], who: str
) -> None:
    await put_in(database, town)
    assert await code_of(database, town.actor(who), tools()) is ProblemCode.NOT_FOUND
    unknown = await code_of(database, town.actor(who), tools(), parcel="no such")
    assert unknown is ProblemCode.NOT_FOUND


async def test_operator_opens_nothing(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await put_in(database, town)
    assert await code_of(database, town.operator, tools()) is ProblemCode.NOT_FOUND


async def test_nobody_is_asked_to_sign_in(
    database: Database, town: Town, tools: Callable[[], Tools]
) -> None:
    await put_in(database, town)
    assert await code_of(database, ANONYMOUS, tools()) is ProblemCode.SIGNED_OUT


@pytest.mark.parametrize(
    "state",
    [
        ParcelState.ANNOUNCED,
        ParcelState.OUT_FOR_DELIVERY,
        ParcelState.DROPPED_OFF,
        ParcelState.EXPIRED,
        ParcelState.ON_HOLD,
    ],
)
async def test_parcel_in_another_state_is_not_opened(
    database: Database, town: Town, tools: Callable[[], Tools], state: ParcelState
) -> None:
    await put_in(database, town, state=state)
    assert await code_of(database, town.recipient, tools()) is ProblemCode.WRONG_STATE


async def test_after_deadline_and_grace_there_is_no_token(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    await put_in(database, town, through=START + timedelta(hours=1))
    clock.move(hours=3, seconds=1)
    assert await code_of(database, town.recipient, tools()) is ProblemCode.WRONG_STATE


async def test_who_could_not_be_told_opens_it_however_late(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    state = ParcelState.READY_FOR_PICKUP
    await put_in(database, town, state=state, through=START + timedelta(hours=1))
    async with database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.pause_cause = PauseCause.NOTICE_UNDELIVERED
    clock.move(hours=100)
    assert claims_of(await bundle(database, town.recipient, tools())).exp > clock.now().timestamp()


async def test_bundle_fetched_after_an_extension_opens_longer_than_the_one_before(
    database: Database, town: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    through = START + timedelta(hours=1)
    await put_in(database, town, state=ParcelState.READY_FOR_PICKUP, through=through)
    async with database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.available_from = through - HOLD[ClimateZone.AMBIENT]
    first = claims_of(await bundle(database, town.recipient, tools()))
    assert first.exp == (through + GRACE).timestamp()
    async with database.write() as session:
        extended = await extend(
            session,
            town.recipient,
            parcel_id=key_of("parcel"),
            wish=Wish(parcel.deadline_version),
            ids=tools().ids,
            now=clock.now(),
        )
    assert isinstance(extended, Parcel)
    assert claims_of(await bundle(database, town.recipient, tools())).exp > first.exp
    clock.move(hours=4)
    late = claims_of(await bundle(database, town.recipient, tools()))
    assert late.exp > (through + GRACE).timestamp()


async def test_own_revocation_is_followed_by_another_grant(
    database: Database,
    town: Town,
    tools: Callable[[], Tools],
    keyring: DerivedKeyring,
) -> None:
    await put_in(database, town)
    first = await bundle(database, town.recipient, tools())
    async with database.write() as session:
        withdrawn = await revoke_grant(
            session, town.recipient, grant_id=first.grant.id, keyring=keyring, now=START
        )
    assert isinstance(withdrawn, Withdrawn)
    second = await bundle(database, town.recipient, tools())
    assert second.grant.id != first.grant.id
    assert claims_of(second).minrev == 1


async def test_anybody_elses_revocation_stands(
    database: Database,
    town: Town,
    tools: Callable[[], Tools],
    keyring: DerivedKeyring,
) -> None:
    await put_in(database, town)
    first = await bundle(database, town.recipient, tools())
    async with database.write() as session:
        await revoke_grant(
            session, town.operator, grant_id=first.grant.id, keyring=keyring, now=START
        )
    assert await code_of(database, town.recipient, tools()) is ProblemCode.WRONG_STATE
    async with database.read() as session:
        assert (await queries.get_grant(session, first.grant.id)).state is GrantState.REVOKED


async def test_bundle_holds_the_list_of_revocations_of_others(
    database: Database, town: Town, tools: Callable[[], Tools], keyring: DerivedKeyring
) -> None:
    await put_in(database, town)
    first = await bundle(database, town.recipient, tools())
    async with database.write() as session:
        await revoke_grant(
            session, town.recipient, grant_id=first.grant.id, keyring=keyring, now=START
        )
    second = await bundle(database, town.recipient, tools())
    kinds = [one.kind for one in second.statements]
    assert kinds == [
        StatementType.KEY_SET,
        StatementType.REVOCATIONS,
        StatementType.CONFIGURATION,
    ]
