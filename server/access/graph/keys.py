"""How a locker joins, and how a root's signature reaches all lockers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from schema.codes import ProblemCode
from schema.ids import EVERY_LOCKER, LockerId, parse_locker_text
from server.access.graph.types import SignedStatement, as_statement
from server.access.service import staff, takeover
from server.access.service.statements import find_signer, list_statements
from server.kit.auth import Permission, Scope, deny
from server.kit.clock import instant_of
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of
from server.kit.rates import Rate
from server.lockers.graph.types import Locker, as_locker
from server.lockers.service import enrolment, keysets
from server.lockers.service.enrolment import EnrolmentClaim

ENROLMENTS = Rate("enrolments per source", 20, 3_600)
"""A code has 100 bits; this only keeps the noise down."""

_NO_LOCKER_ID = Refusal(
    ProblemCode.INPUT_INVALID, "lockerId: must be 11 characters of base64url.", "lockerId"
)


@strawberry.type(description="A stay in a compartment, for a new controller to remember.")
class HeldStay:
    """As the server knows it from the old controller's journal."""

    compartment: int = strawberry.field(description="Number of the compartment.")
    stay: Base64 = strawberry.field(description="The 8 bytes of the stay.")


@strawberry.type(description="The locker is part of the network.")
class EnrolLockerPayload:
    """Its doors are to be tested before it takes parcels."""

    locker: Locker = strawberry.field(description="The locker.")
    statements: list[SignedStatement] = strawberry.field(
        description="The first statements for it, in the order to apply; none while no key set "
        "is published."
    )
    stays: list[HeldStay] = strawberry.field(
        description="What lies behind its doors, where it took the place of another controller."
    )


@strawberry.type(description="The token is known: its use opens no incident.")
class RegisterTokenPayload:
    """Whether it was registered now or before."""

    expires_at: datetime = strawberry.field(description="When it ends.")


@strawberry.type(description="What a root is asked to sign.")
class KeySetDraft:
    """Made of the keys that are alive at this moment."""

    payload: Base64 = strawberry.field(
        description="Payload of the COSE_Sign1 (SLK1, section 2: `SLK1-key`)."
    )


EnrolLockerResult = Annotated[
    EnrolLockerPayload | Problem,
    strawberry.union("EnrolLockerResult", description="Outcome of `enrolLocker`."),
]
KeySetDraftResult = Annotated[
    KeySetDraft | Problem,
    strawberry.union("KeySetDraftResult", description="Outcome of `keySetDraft`."),
]
RegisterTokenResult = Annotated[
    RegisterTokenPayload | Problem,
    strawberry.union("RegisterTokenResult", description="Outcome of `registerToken`."),
]


@strawberry.type
class KeyQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="The next key set, unsigned, for an operator to take to where the root key is. "
        "Service and hub keys of the former one stay in while they live."
    )
    async def key_set_draft(
        self,
        info: Info[Context, None],
        locker_id: Annotated[
            str | None,
            strawberry.argument(
                description="The one locker that it is for, by its id in the protocol: a hub's own "
                "key stands only there. Left out: every locker."
            ),
        ] = None,
    ) -> KeySetDraftResult:
        """Drafts cost nothing; the number is taken by the one that is stored first."""
        context = context_of(info)
        if not _may_publish(context):
            return as_problem(deny(context.actor))
        lid = EVERY_LOCKER if locker_id is None else _read_lid(locker_id)
        if lid is None:
            return as_problem(_NO_LOCKER_ID)
        async with context.database.read() as session:
            body = await keysets.draft_key_set(
                session, keyring=context.keyring, lid=lid, now=context.clock.now()
            )
        return KeySetDraft(payload=Base64(keysets.payload_of(body)))


@strawberry.type
class KeyMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Joins a locker by the one-time code that an operator made for it. Needs no "
        "account. The same claim again gives the same answer."
    )
    async def enrol_locker(
        self,
        info: Info[Context, None],
        code: Annotated[
            str, strawberry.argument(description="The one-time code of `createEnrolment`.")
        ],
        locker_id: Annotated[
            str,
            strawberry.argument(description="Its id in the protocol: 11 characters of base64url."),
        ],
        noise_public: Annotated[Base64, strawberry.argument(description="Its X25519 public key.")],
        sign_public: Annotated[Base64, strawberry.argument(description="Its Ed25519 public key.")],
        pin_secret: Annotated[
            Base64,
            strawberry.argument(description="The 32-byte secret behind its PINs; kept sealed."),
        ],
        proof: Annotated[
            Base64,
            strawberry.argument(
                description="Its signature over `SLK1-enrol`, its id, SHA-256 of the code, and "
                "both public keys."
            ),
        ],
    ) -> EnrolLockerResult:
        """The code is the right to join; the proof shows that the keys are the locker's own."""
        context = context_of(info)
        wait_s = await context.rates.hit(ENROLMENTS, context.source)
        if wait_s is not None:
            return as_problem(Refusal(ProblemCode.SLOW_DOWN, retry_after_s=wait_s))
        lid = _read_lid(locker_id)
        if lid is None:
            return as_problem(_NO_LOCKER_ID)
        claim = EnrolmentClaim(code, lid, noise_public, sign_public, pin_secret, proof)
        now = context.clock.now()
        async with context.database.write() as session:
            locker = await enrolment.enrol(
                session, claim, keyring=context.keyring, ids=context.ids, now=now
            )
            if isinstance(locker, Refusal):
                return as_problem(locker)
            held = await takeover.move_in(session, locker)
            signer = await find_signer(session, lid, keyring=context.keyring, now=now)
            carried = (
                []
                if isinstance(signer, Refusal)
                else await list_statements(session, signer, now=now)
            )
        return EnrolLockerPayload(
            locker=as_locker(locker),
            statements=[as_statement(one) for one in carried],
            stays=[HeldStay(compartment=number, stay=Base64(name)) for number, name in held],
        )

    @strawberry.mutation(
        description="Vouches for a token that a service or hub key signed offline, for operators, "
        "before it is used: a locker that reports a token nobody knows opens a critical incident. "
        "Idempotent."
    )
    async def register_token(
        self,
        info: Info[Context, None],
        token: Annotated[Base64, strawberry.argument(description="The token, as it was signed.")],
    ) -> RegisterTokenResult:
        """The locker's newest key set must hold the key."""
        context = context_of(info)
        async with context.database.write() as session:
            outcome = await staff.register_token(
                session, context.actor, token, now=context.clock.now()
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return RegisterTokenPayload(expires_at=instant_of(outcome.exp))


def _may_publish(context: Context) -> bool:
    """Only who provisions lockers in the whole network: a key set is for all of them."""
    return (Permission.LOCKER_PROVISION, Scope.NETWORK, None) in context.actor.grants


def _read_lid(text: str) -> LockerId | None:
    try:
        return parse_locker_text(text)
    except ValueError:
        return None
