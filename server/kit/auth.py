"""Who acts and what they may do: permissions, scopes, the actor of a request, the port of sign-in.

Code checks a permission and its scope, never a role; which bundle gives whom what is
`people.rules`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from schema.codes import ProblemCode
from server.kit.errors import Refusal

if TYPE_CHECKING:
    from datetime import datetime

    from sqlmodel.ext.asyncio.session import AsyncSession


class Permission(StrEnum):
    """Everything that code may ask about (DOMAIN 6)."""

    PARCEL_TRACK = "parcel.track"
    PARCEL_READ_CONTACT = "parcel.read_contact"
    PARCEL_ANNOUNCE = "parcel.announce"
    PARCEL_CANCEL = "parcel.cancel"
    PARCEL_OPEN = "parcel.open"
    PARCEL_DEPOSIT = "parcel.deposit"
    PARCEL_REMOVE = "parcel.remove"
    PARCEL_ASSIST_OPEN = "parcel.assist_open"
    PARCEL_COUNTER_HANDOVER = "parcel.counter_handover"
    PARCEL_DELEGATE = "parcel.delegate"
    PARCEL_REFUSE = "parcel.refuse"
    PARCEL_REDIRECT = "parcel.redirect"
    PARCEL_EXTEND = "parcel.extend"
    PARCEL_MARK_LOST = "parcel.mark_lost"
    PARCEL_DISPOSE = "parcel.dispose"
    PARCEL_RESOLVE_HOLD = "parcel.resolve_hold"
    PREFERENCE_WRITE = "preference.write"
    CONSENT_WRITE = "consent.write"
    GRANT_REVOKE = "grant.revoke"
    RECEIPT_READ = "receipt.read"
    LOG_VERIFY = "log.verify"
    DISPUTE_OPEN = "dispute.open"
    DISPUTE_RESOLVE = "dispute.resolve"
    LOCKER_PROVISION = "locker.provision"
    LOCKER_RETIRE = "locker.retire"
    LOCKER_LOCK_DOWN = "locker.lock_down"
    LOCKER_OPEN_ALL = "locker.open_all"
    RESERVATION_CREATE = "reservation.create"
    RESERVATION_CANCEL = "reservation.cancel"
    ROUTE_MANAGE = "route.manage"
    CARRIER_INVITE_MEMBER = "carrier.invite_member"
    DEVICE_CONFIRM = "device.confirm"
    HUB_READ_PUBLIC = "hub.read_public"
    HUB_HOURS_WRITE = "hub.hours.write"
    HUB_CLOSURE_WRITE = "hub.closure.write"
    HUB_STAFF_WRITE = "hub.staff.write"
    HUB_POLICY_OVERRIDE = "hub.policy_override"
    STOCKTAKE_RUN = "stocktake.run"
    STOCKTAKE_CLOSE = "stocktake.close"
    COMMISSION_READ = "commission.read"
    COMMISSION_ADJUST = "commission.adjust"
    COMPARTMENT_INSPECT = "compartment.inspect"
    COMPARTMENT_OUT_OF_SERVICE = "compartment.out_of_service"
    COMPARTMENT_SERVICE_OPEN = "compartment.service_open"
    COMPARTMENT_RETURN_TO_SERVICE = "compartment.return_to_service"
    """After a quarantine (C15)."""
    COMPARTMENT_RETURN_REPAIRED = "compartment.return_repaired"
    """After a repair (C17)."""
    INCIDENT_REPORT = "incident.report"
    INCIDENT_RESOLVE = "incident.resolve"
    MAINTENANCE_MANAGE = "maintenance.manage"
    TELEMETRY_READ = "telemetry.read"
    CLIMATE_READ = "climate.read"
    ENERGY_READ = "energy.read"
    POLICY_NETWORK_WRITE = "policy.network_write"
    PERSON_EXPORT = "person.export"
    PERSON_ERASE = "person.erase"


class Scope(StrEnum):
    """How far a permission reaches. PAIR scopes need a second person: alone they permit nothing."""

    SELF = "s"
    """What is the person's own; whoever asks compares the owner."""
    DELEGATED = "d"
    """The one delegated parcel named as subject."""
    ROUTE = "r"
    """The jobs of the carrier named as subject that are given to this courier, or those at the hub
    named as subject that are given to this technician."""
    CARRIER = "c"
    """Everything of the carrier named as subject."""
    HUB = "h"
    """Everything at the hub named as subject."""
    NETWORK = "n"
    """Everything in the network."""
    ROUTE_PAIR = "r2"
    HUB_PAIR = "h2"
    NETWORK_PAIR = "n2"


class Granted(NamedTuple):
    """One permission with its scope; `subject` is the hub, carrier or parcel it is held for."""

    permission: Permission
    scope: Scope
    subject: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a request: a person on a device, a carrier's system, or nobody known (all None).

    `grants` was read in the request that brought the actor, so a right withdrawn counts from the
    next request on.
    """

    person_id: uuid.UUID | None = None
    device_id: uuid.UUID | None = None
    carrier_id: uuid.UUID | None = None
    grants: frozenset[tuple[Permission, Scope, uuid.UUID | None]] = frozenset()

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody vouches for the request."""
        return self.person_id is None and self.carrier_id is None

    def can(
        self,
        permission: Permission,
        *,
        hub: uuid.UUID | None = None,
        carrier: uuid.UUID | None = None,
    ) -> bool:
        """Whether the permission reaches the hub or carrier named, or else what is one's own.

        Asked without a place it answers for what is the actor's own (SELF): the caller compares
        the owner. The whole network (NETWORK) always counts. A route (ROUTE) counts as the carrier
        that a courier's belongs to, or as the hub that a technician's job is at; the caller that
        knows who was given the job compares that as well. A right that needs a second person never
        counts.
        """
        for granted, scope, subject in self.grants:
            if granted is permission and _reaches(scope, subject, hub=hub, carrier=carrier):
                return True
        return False

    def subjects(self, permission: Permission, *scopes: Scope) -> frozenset[uuid.UUID]:
        """The hubs, carriers or parcels named under these scopes, for use as a row filter."""
        return frozenset(
            subject
            for granted, scope, subject in self.grants
            if granted is permission and scope in scopes and subject is not None
        )


ANONYMOUS = Actor()
"""The actor of a request that vouches for nobody."""


def deny(actor: Actor) -> Refusal:
    """What an actor without the permission hears: to sign in, if nobody is signed in."""
    return Refusal(ProblemCode.SIGNED_OUT if actor.is_anonymous else ProblemCode.NOT_PERMITTED)


def not_found(actor: Actor, field: str | None = None) -> Refusal:
    """What an actor hears of something that does not exist, or that they may not see."""
    return deny(actor) if actor.is_anonymous else Refusal(ProblemCode.NOT_FOUND, field=field)


def _reaches(
    scope: Scope, subject: uuid.UUID | None, *, hub: uuid.UUID | None, carrier: uuid.UUID | None
) -> bool:
    match scope:
        case Scope.NETWORK:
            return True
        case Scope.HUB:
            return hub is not None and subject == hub
        case Scope.CARRIER:
            return carrier is not None and subject == carrier
        case Scope.ROUTE:
            return subject is not None and subject in {hub, carrier}
        case Scope.SELF:
            return hub is None and carrier is None
        case _:
            return False


class SignIn(Protocol):
    """A way to prove that an address is one's own, such as a one-time code sent to it."""

    async def start(self, session: AsyncSession, *, address: str, now: datetime) -> uuid.UUID:
        """Begin, and return the id that `finish` wants; alike for known and unknown addresses."""

    async def finish(
        self, session: AsyncSession, *, request_id: uuid.UUID, answer: str, now: datetime
    ) -> str | Refusal:
        """The proven address, once; a wrong answer uses up a try."""


class Accounts(Protocol):
    """Knows who stands behind an access token or an API key, and what they may do now."""

    async def find_person(
        self,
        session: AsyncSession,
        *,
        person_id: uuid.UUID,
        device_id: uuid.UUID,
        thumbprint: str,
        now: datetime,
    ) -> Actor | None:
        """The person on that device, or None when it is signed out or has another key."""

    async def find_carrier(
        self, session: AsyncSession, *, api_key: str, now: datetime
    ) -> Actor | None:
        """The carrier's system that holds this API key, or None when the key is not alive."""
