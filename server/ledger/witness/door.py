"""The witness's door: `POST /add-checkpoint`, and for people two pages of plain text.

The order is the promise: judged, kept on the disk, cosigned, answered.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from schema.checkpoint.submissions import SIZE_TYPE, SUBMISSION_BYTES, parse_submission
from schema.codec import Malformed
from server.kit.errors import DatabaseError
from server.ledger.witness.rules import CONFLICT, MALFORMED, OK, find_stranger

if TYPE_CHECKING:
    from starlette.requests import Request

    from schema.checkpoint.notes import NoteKey
    from schema.checkpoint.submissions import Submission
    from server.kit.clock import Clock
    from server.ledger.witness.rules import Judgement
    from server.ledger.witness.seal import Seal
    from server.ledger.witness.store import Heads, Split

logger = logging.getLogger(__name__)

BODY_SECONDS = 10

_TOO_SLOW, _TOO_LARGE, _NO_DISK = 408, 413, 503


@dataclass(frozen=True, slots=True)
class Witness:
    """What a witness is made of. `logs` are the keys of those that it watches, by their origin."""

    seal: Seal
    logs: tuple[NoteKey, ...]
    heads: Heads
    clock: Clock


def make_door(witness: Witness) -> Starlette:
    """The application. Nothing but the log's signature says who may ask."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            submission = parse_submission(await _read(request))
        except TimeoutError:
            return PlainTextResponse(f"longer than {BODY_SECONDS} s", _TOO_SLOW)
        except OverflowError:
            return PlainTextResponse(f"more than {SUBMISSION_BYTES} bytes", _TOO_LARGE)
        except Malformed as error:
            return PlainTextResponse(f"{error}\n", MALFORMED)
        stranger = find_stranger(submission, witness.logs)
        if stranger is not None:
            return PlainTextResponse(f"{stranger.reason}\n", stranger.status)
        try:
            return await run_in_threadpool(_answer, witness, submission)
        except DatabaseError as error:
            logger.error("nothing can be cosigned: %s", error)  # noqa: TRY400 - ours, and told
            return PlainTextResponse("the witness cannot keep what it sees\n", _NO_DISK)

    async def tell(_request: Request) -> Response:
        return PlainTextResponse(await run_in_threadpool(_tell, witness))

    async def show_splits(_request: Request) -> Response:
        splits = await run_in_threadpool(witness.heads.list_splits)
        return PlainTextResponse("\n".join(map(_describe, splits)))

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/", tell),
            Route("/split-views", show_splits),
        ]
    )


async def _read(request: Request) -> bytes:
    """The body; OverflowError for a large one, of which no more is read than that it is one."""
    body = b""
    async with asyncio.timeout(BODY_SECONDS):
        async for part in request.stream():
            body += part
            if len(body) > SUBMISSION_BYTES:
                raise OverflowError
    return body


def _answer(witness: Witness, submission: Submission) -> Response:
    judgement = witness.heads.show(submission, now=witness.clock.now())
    if judgement.is_split:
        head = submission.head
        logger.error(
            "SPLIT VIEW: %s has signed two roots for %d leaves; both heads are kept",
            head.origin,
            head.size,
            extra={"origin": head.origin, "size": head.size, "shown_root": head.root.hex()},
        )
    if judgement.status != OK:
        return _refuse(judgement)
    # If we crash here, the log asks again and gets its cosignature for what is kept already.
    line = witness.seal.press(submission.note, now=witness.clock.now())
    return PlainTextResponse(str(line))


def _refuse(judgement: Judgement) -> Response:
    if judgement.status == CONFLICT:
        return Response(f"{judgement.size}\n", CONFLICT, media_type=SIZE_TYPE)
    return PlainTextResponse(f"{judgement.reason}\n", judgement.status)


def _tell(witness: Witness) -> str:
    lines = [f"witness {witness.seal.public}"]
    for origin in dict.fromkeys(key.name for key in witness.logs):
        held = witness.heads.find(origin)
        known = "nothing yet" if held is None else f"{held.size} leaves, root {held.root.hex()}"
        lines.append(f"log {origin}: {known}")
    count = len(witness.heads.list_splits())
    lines.append(f"split views: {count}{', both heads of each at /split-views' if count else ''}")
    return "".join(f"{line}\n" for line in lines)


def _describe(split: Split) -> str:
    title = f"== {split.origin}, {split.size} leaves, seen {split.seen_at}"
    return f"{title}\n-- held\n{split.held}-- shown\n{split.shown}"
