"""Signing in and out: mutations that anybody may call, bound to the device key by its proof."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from server.kit.errors import BrokenPromise, Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, global_id, read_id
from server.kit.proofs import DeviceProof, issue_access_token, use_proof
from server.people.graph.types import Device, as_device
from server.people.rules import (
    CODE_LIFE,
    CODES_PER_ADDRESS,
    CODES_PER_SOURCE,
    CODES_TO_ADDRESS,
    TRIES_PER_SOURCE,
    read_contact,
)
from server.people.service import devices
from server.people.service.codes import OneTimeCodes

if TYPE_CHECKING:
    from server.people import tables


@strawberry.type(description="A code is on its way, if the address can be written to.")
class RequestSignInCodePayload:
    """Alike for every address."""

    request_id: strawberry.ID = strawberry.field(description="To be given to `signIn`.")
    expires_at: datetime = strawberry.field(description="When the code stops being of use.")


@strawberry.type(description="The device is signed in.")
class SignInPayload:
    """An access token, good only beside proofs (DPoP) by the key that signed in."""

    access_token: str = strawberry.field(description="Send it as `Authorization: DPoP <token>`.")
    expires_at: datetime = strawberry.field(description="When the token ends; refresh before.")
    device: Device = strawberry.field(description="The device of the key.")


@strawberry.type(description="The device is signed out.")
class SignOutPayload:
    """Its key may sign in again by a new code."""

    device: Device = strawberry.field(description="The device that asked.")


RequestSignInCodeResult = Annotated[
    RequestSignInCodePayload | Problem,
    strawberry.union("RequestSignInCodeResult", description="Outcome of `requestSignInCode`."),
]
SignInResult = Annotated[
    SignInPayload | Problem,
    strawberry.union("SignInResult", description="Outcome of `signIn` and `refreshAccess`."),
]
SignOutResult = Annotated[
    SignOutPayload | Problem,
    strawberry.union("SignOutResult", description="Outcome of `signOut`."),
]


@strawberry.type
class SessionMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Sends a one-time code to an e-mail address or phone number. Asking once more "
        "sends another; the answer does not tell whether the address is known."
    )
    async def request_sign_in_code(
        self,
        info: Info[Context, None],
        address: Annotated[
            str, strawberry.argument(description="E-mail address, or phone number with `+`.")
        ],
    ) -> RequestSignInCodeResult:
        """Limited by source with a Problem, by address silently."""
        context = context_of(info)
        contact = read_contact(address)
        if contact is None:
            return as_problem(_no_address())
        wait_s = await context.rates.hit(CODES_PER_SOURCE, context.source)
        if wait_s is not None:
            return as_problem(Refusal(ProblemCode.SLOW_DOWN, retry_after_s=wait_s))
        now = context.clock.now()
        if not await _may_write(context, contact.address):
            # Whoever asks often must not learn whose inbox is full; former codes are still good.
            request_id = context.ids.new()
        else:
            codes = OneTimeCodes(context.keyring, context.ids)
            async with context.database.write() as session:
                request_id = await codes.start(session, address=contact.address, now=now)
        return RequestSignInCodePayload(
            request_id=global_id("SignInRequest", request_id), expires_at=now + CODE_LIFE
        )

    @strawberry.mutation(
        description="Signs in by a one-time code. The request must bear a device proof (DPoP) "
        "without access token; its key becomes the account's device. A device added by a code "
        "alone waits before it gets passes for parcels that exist already, unless it is the first."
    )
    async def sign_in(
        self,
        info: Info[Context, None],
        request_id: Annotated[
            strawberry.ID, strawberry.argument(description="From `requestSignInCode`.")
        ],
        code: Annotated[str, strawberry.argument(description="The code as it was typed.")],
    ) -> SignInResult:
        """A wrong code uses up one of five tries."""
        context = context_of(info)
        proof = _proof_of(context)
        if isinstance(proof, Refusal):
            return as_problem(proof)
        wait_s = await context.rates.hit(TRIES_PER_SOURCE, context.source)
        if wait_s is not None:
            return as_problem(Refusal(ProblemCode.SLOW_DOWN, retry_after_s=wait_s))
        outcome = await _finish_sign_in(context, proof, request_id, code)
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return _signed_in(context, outcome)

    @strawberry.mutation(
        description="A new access token for a device that is signed in, by a proof of its key."
    )
    async def refresh_access(self, info: Info[Context, None]) -> SignInResult:
        """Needs no access token, so an expired one does no harm."""
        context = context_of(info)
        proof = _proof_of(context)
        if isinstance(proof, Refusal):
            return as_problem(proof)
        async with context.database.write() as session:
            outcome = await devices.refresh(session, proof=proof, now=context.clock.now())
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return _signed_in(context, outcome)

    @strawberry.mutation(description="Ends the session of the device that asks.")
    async def sign_out(self, info: Info[Context, None]) -> SignOutResult:
        """Access tokens that are out stop working at once."""
        context = context_of(info)
        async with context.database.write() as session:
            outcome = await devices.sign_out(session, context.actor, now=context.clock.now())
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return SignOutPayload(device=as_device(outcome, context))


async def _finish_sign_in(
    context: Context, proof: DeviceProof, request_id: str, code: str
) -> tables.Device | Refusal:
    """One transaction for proof, code and device; a wrong code is counted by its commit."""
    key = read_id("SignInRequest", request_id)
    if key is None:
        return Refusal(ProblemCode.CODE_EXPIRED, field="requestId")
    now = context.clock.now()
    codes = OneTimeCodes(context.keyring, context.ids)
    async with context.database.write() as session:
        if not await use_proof(session, proof, now=now):
            return devices.REPLAYED
        address = await codes.finish(session, request_id=key, answer=code, now=now)
        if isinstance(address, Refusal):
            return address
        contact = read_contact(address)
        if contact is None:
            raise BrokenPromise("a code was sent to an address that is none")
        return await devices.sign_in(
            session, contact=contact, proof=proof, ids=context.ids, now=now
        )


async def _may_write(context: Context, address: str) -> bool:
    share = await context.rates.hit(CODES_PER_ADDRESS, f"{address} {context.source}")
    return share is None and await context.rates.hit(CODES_TO_ADDRESS, address) is None


def _proof_of(context: Context) -> DeviceProof | Refusal:
    missing = "The device proof (DPoP header) is missing, or came with an access token."
    return context.proof or Refusal(ProblemCode.DEVICE_PROOF_INVALID, missing)


def _no_address() -> Refusal:
    return Refusal(
        ProblemCode.INPUT_INVALID,
        "This is no e-mail address, and no phone number that begins with +.",
        field="address",
    )


def _signed_in(context: Context, device: tables.Device) -> SignInPayload:
    token = issue_access_token(
        context.keyring,
        person_id=device.person_id,
        device_id=device.id,
        thumbprint=device.thumbprint,
        now=context.clock.now(),
    )
    return SignInPayload(
        access_token=token.text, expires_at=token.expires_at, device=as_device(device, context)
    )
