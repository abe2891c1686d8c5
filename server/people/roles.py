"""The bundles of permissions as DOMAIN 6 ships them. Nothing but `grants_of` may ask for a role."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from server.kit.auth import Granted, Permission, Scope

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator


class Role(StrEnum):
    """A bundle of permissions that a person is given, for a hub, a carrier or the network."""

    RECIPIENT = "recipient"
    """Everybody with an account."""
    COURIER = "courier"
    CARRIER_ADMIN = "carrier_admin"
    HUB_CLERK = "hub_clerk"
    HUB_MANAGER = "hub_manager"
    HUB_OWNER = "hub_owner"
    TECHNICIAN = "technician"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    SUPPORT = "support"


class CarrierRight(StrEnum):
    """What a carrier's system may be allowed: what the carrier's own administrator may do."""

    PARCEL_TRACK = Permission.PARCEL_TRACK
    PARCEL_ANNOUNCE = Permission.PARCEL_ANNOUNCE
    PARCEL_CANCEL = Permission.PARCEL_CANCEL
    GRANT_REVOKE = Permission.GRANT_REVOKE
    RECEIPT_READ = Permission.RECEIPT_READ
    LOG_VERIFY = Permission.LOG_VERIFY
    RESERVATION_CREATE = Permission.RESERVATION_CREATE
    RESERVATION_CANCEL = Permission.RESERVATION_CANCEL
    ROUTE_MANAGE = Permission.ROUTE_MANAGE
    CARRIER_INVITE_MEMBER = Permission.CARRIER_INVITE_MEMBER
    INCIDENT_REPORT = Permission.INCIDENT_REPORT


HUB_ROLES = frozenset({Role.HUB_CLERK, Role.HUB_MANAGER, Role.HUB_OWNER})
"""Roles of a hub's own staff."""

PLACED_AT_HUB = HUB_ROLES | {Role.TECHNICIAN}
"""Roles held at one hub: also a technician's, who comes from outside."""

CARRIER_ROLES = frozenset({Role.COURIER, Role.CARRIER_ADMIN})
"""Roles held in one carrier."""

_P = Permission
_RE, _CO, _CA = Role.RECIPIENT, Role.COURIER, Role.CARRIER_ADMIN
_HC, _HM, _HO = Role.HUB_CLERK, Role.HUB_MANAGER, Role.HUB_OWNER
_TE, _OP, _AU, _SU = Role.TECHNICIAN, Role.OPERATOR, Role.AUDITOR, Role.SUPPORT
_s, _r, _c, _h, _n = Scope.SELF, Scope.ROUTE, Scope.CARRIER, Scope.HUB, Scope.NETWORK
_r2, _h2, _n2 = Scope.ROUTE_PAIR, Scope.HUB_PAIR, Scope.NETWORK_PAIR

BUNDLES: tuple[tuple[tuple[Permission, ...], dict[Role, Scope]], ...] = (
    (
        (_P.PARCEL_TRACK,),
        {_RE: _s, _CO: _r, _CA: _c, _HC: _h, _HM: _h, _HO: _h, _OP: _n, _AU: _n, _SU: _n},
    ),
    ((_P.PARCEL_READ_CONTACT,), {_RE: _s, _OP: _n, _SU: _n}),
    # Whoever has an account may send: DOMAIN's sender is no role of its own.
    ((_P.PARCEL_ANNOUNCE, _P.PARCEL_CANCEL), {_RE: _s, _CA: _c, _OP: _n}),
    ((_P.PARCEL_OPEN,), {_RE: _s}),
    ((_P.PARCEL_DEPOSIT,), {_RE: _s, _CO: _r, _HC: _h, _HM: _h}),
    ((_P.PARCEL_REMOVE,), {_CO: _r, _HC: _h, _HM: _h}),
    ((_P.PARCEL_ASSIST_OPEN, _P.PARCEL_COUNTER_HANDOVER), {_HC: _h, _HM: _h}),
    (
        (
            _P.PARCEL_DELEGATE,
            _P.PARCEL_REFUSE,
            _P.PARCEL_REDIRECT,
            _P.PREFERENCE_WRITE,
            _P.CONSENT_WRITE,
        ),
        {_RE: _s},
    ),
    ((_P.PARCEL_EXTEND,), {_RE: _s, _HM: _h, _HO: _h, _OP: _n, _SU: _n}),
    ((_P.PARCEL_MARK_LOST,), {_OP: _n2}),
    ((_P.PARCEL_DISPOSE,), {_HM: _h2, _HO: _h2, _OP: _n2}),
    ((_P.GRANT_REVOKE,), {_RE: _s, _CA: _c, _HM: _h, _OP: _n, _SU: _n}),
    (
        (_P.RECEIPT_READ, _P.LOG_VERIFY),
        {_RE: _s, _CO: _r, _CA: _c, _HM: _h, _HO: _h, _OP: _n, _AU: _n, _SU: _n},
    ),
    ((_P.DISPUTE_RESOLVE, _P.LOCKER_PROVISION, _P.LOCKER_RETIRE), {_OP: _n}),
    (
        (_P.RESERVATION_CREATE, _P.RESERVATION_CANCEL),
        {_CO: _r, _CA: _c, _HC: _h, _HM: _h, _OP: _n},
    ),
    ((_P.ROUTE_MANAGE, _P.CARRIER_INVITE_MEMBER), {_CA: _c, _OP: _n}),
    ((_P.DEVICE_CONFIRM,), {_RE: _s, _HC: _h, _HM: _h}),
    (
        (
            _P.PARCEL_RESOLVE_HOLD,
            _P.HUB_HOURS_WRITE,
            _P.HUB_CLOSURE_WRITE,
            _P.HUB_STAFF_WRITE,
        ),
        {_HM: _h, _HO: _h, _OP: _n},
    ),
    ((_P.HUB_POLICY_OVERRIDE,), {_HO: _h, _OP: _n}),
    ((_P.STOCKTAKE_RUN, _P.STOCKTAKE_CLOSE), {_HC: _h, _HM: _h, _HO: _h, _OP: _n}),
    ((_P.COMMISSION_READ,), {_HM: _h, _HO: _h, _OP: _n, _AU: _n}),
    ((_P.COMPARTMENT_INSPECT,), {_HC: _h, _HM: _h, _TE: _r, _OP: _n}),
    ((_P.COMPARTMENT_OUT_OF_SERVICE,), {_HM: _h, _TE: _r, _OP: _n}),
    ((_P.COMPARTMENT_SERVICE_OPEN,), {_TE: _r, _OP: _n2}),
    ((_P.COMPARTMENT_RETURN_TO_SERVICE,), {_HM: _h, _OP: _n}),
    ((_P.COMPARTMENT_RETURN_REPAIRED,), {_TE: _r}),
    (
        (_P.INCIDENT_REPORT,),
        {
            _RE: _s,
            _CO: _r,
            _CA: _c,
            _HC: _h,
            _HM: _h,
            _HO: _h,
            _TE: _r,
            _OP: _n,
            _SU: _n,
        },
    ),
    ((_P.DISPUTE_OPEN,), {_RE: _s, _CO: _r, _HC: _h, _HM: _h, _SU: _n}),
    ((_P.INCIDENT_RESOLVE, _P.MAINTENANCE_MANAGE), {_HM: _h, _HO: _h, _TE: _r, _OP: _n}),
    (
        (_P.TELEMETRY_READ, _P.CLIMATE_READ, _P.ENERGY_READ),
        {_RE: _s, _HC: _h, _HM: _h, _HO: _h, _TE: _r, _OP: _n, _AU: _n, _SU: _n},
    ),
    (
        (
            _P.LOCKER_LOCK_DOWN,
            _P.LOCKER_OPEN_ALL,
            _P.COMMISSION_ADJUST,
            _P.POLICY_NETWORK_WRITE,
        ),
        {_OP: _n2},
    ),
    ((_P.PERSON_EXPORT, _P.PERSON_ERASE), {_RE: _s, _OP: _n}),
)
"""The table of DOMAIN 6, row by row; a scope of two persons is held but permits nothing alone."""


def grants_of(role: Role, subject: uuid.UUID | None = None) -> Iterator[Granted]:
    """What a role permits; `subject` is the hub or carrier it is held in."""
    for permissions, scopes in BUNDLES:
        scope = scopes.get(role)
        if scope is not None:
            is_placed = scope not in {Scope.SELF, Scope.NETWORK, Scope.NETWORK_PAIR}
            for permission in permissions:
                yield Granted(permission, scope, subject if is_placed else None)
