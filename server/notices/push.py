"""The port to push providers, and its one implementation: Firebase Cloud Messaging by its own SDK.

Owns how errors of the provider become values. Refuses to know why a message is sent.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import firebase_admin
import google.auth.credentials
from firebase_admin import credentials, exceptions, messaging

from server.notices.delivery import Accepted, Delivery, Gone, Later, Refused
from server.people.rules import PushKind

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MESSAGES_PER_CALL = 10
"""The SDK keeps twenty connections of HTTP/1.1 open, and looks at each of them for each message.
With ten messages a call costs the processor half as much as with a hundred.
"""

PATIENCE_S = 0.05
"""After so long without an answer the next call begins beside the one that waits."""

MOST_CALLS = 10
"""Calls at the same time; the SDK makes no more than a hundred requests at once."""

ANSWER_S = 5
"""How long one request to FCM may take; the SDK's own default of 120 s outlives our lease."""

LIVES = timedelta(days=3)
"""How long FCM keeps a message for a phone that is off: the longest hold of a compartment."""

LONGEST_RETRY_AFTER_S = 3_600
"""We ask again at least each hour, whatever the provider says."""

COLLAPSE_CHARACTERS = 32
"""The limit for a topic of web push (RFC 8030, s. 5.4); Apple's is 64 bytes."""


@dataclass(frozen=True, slots=True)
class PushAddress:
    """Where a device can be reached. Whoever holds it can send to the phone: never logged."""

    kind: PushKind
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PushMessage:
    """One message for one device.

    `title` and `body` appear on a locked screen: no sender, contents or compartment. A message with
    the `collapse` of an earlier one replaces it on the phone; the data's `notice` is the id, by
    which a phone knows a message that comes twice.
    """

    id: uuid.UUID
    address: PushAddress
    title: str
    body: str
    data: Mapping[str, str]
    collapse: str
    """At most 32 letters and digits, which every push service takes (RFC 8030, s. 5.4)."""
    is_silent: bool = False


class Push(Protocol):
    """A way to send messages to devices."""

    async def send(self, messages: Sequence[PushMessage]) -> list[Delivery]:
        """Send each message; the answers stand in the same order.

        At least once: a message whose answer was lost is `Later`, and may arrive twice.
        """


class NoPush:
    """Stands where no provider is set up; people are then told by letter."""

    async def send(self, messages: Sequence[PushMessage]) -> list[Delivery]:
        """Refuses every message."""
        return [Refused("no push provider is set up") for _ in messages]


class FirebasePush:
    """FCM HTTP v1 by firebase-admin. One for each process and project."""

    def __init__(
        self,
        project: str,
        *,
        account: Path | None = None,
        base_url: str | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        """`account` is the file of a service account, without which requests carry no token.

        `base_url` replaces Google's host, for a local endpoint.
        """
        credential = credentials.Certificate(str(account)) if account else _NoAccount()
        options = {"projectId": project, "httpTimeout": answer_s}
        self.app = firebase_admin.initialize_app(credential, options, name=f"restante-{id(self)}")
        if base_url is not None:
            # The SDK has no setting for this; a test holds the private name.
            service = messaging._get_messaging_service(self.app)
            service._fcm_url = f"{base_url}/v1/projects/{project}/messages:send"
        self._places = asyncio.Semaphore(MOST_CALLS)
        self._turn = asyncio.Lock()

    async def send(self, messages: Sequence[PushMessage]) -> list[Delivery]:
        """Send each message. The calls go one after the other while they are answered at once, and
        side by side when the provider is slow.
        """
        calls = [
            self._call(messages[start : start + MESSAGES_PER_CALL])
            for start in range(0, len(messages), MESSAGES_PER_CALL)
        ]
        return list(itertools.chain.from_iterable(await asyncio.gather(*calls)))

    async def close(self) -> None:
        """Close the connections; the object is of no use afterwards."""
        await asyncio.to_thread(firebase_admin.delete_app, self.app)

    async def _call(self, messages: Sequence[PushMessage]) -> list[Delivery]:
        """One call of the SDK, once those before it are answered or slow."""
        async with self._places, asyncio.TaskGroup() as group, self._turn:
            call = group.create_task(self._send_batch(messages))
            await asyncio.wait({call}, timeout=PATIENCE_S)
        return call.result()

    async def _send_batch(self, messages: Sequence[PushMessage]) -> list[Delivery]:
        batch = [as_fcm(message) for message in messages]
        try:
            answer = await messaging.send_each_async(batch, app=self.app)
        except exceptions.FirebaseError as error:
            return [_as_delivery(error)] * len(messages)
        return [
            Accepted(response.message_id) if response.success else _as_delivery(response.exception)
            for response in answer.responses
        ]


class _NoAccount(credentials.Base):  # type: ignore[misc]  # the SDK has no types
    """Stands for a service account where none is needed."""

    def get_credential(self) -> google.auth.credentials.Credentials:
        return google.auth.credentials.AnonymousCredentials()  # type: ignore[no-untyped-call]


def as_fcm(message: PushMessage) -> Any:
    """The message as the SDK takes it."""
    tag = message.collapse[:COLLAPSE_CHARACTERS]
    urgency, sound = ("low", None) if message.is_silent else ("high", "default")
    fcm = messaging.Message(
        data={**message.data, "notice": str(message.id)},
        notification=messaging.Notification(title=message.title, body=message.body),
        android=messaging.AndroidConfig(
            priority="normal" if message.is_silent else "high",
            ttl=LIVES,
            collapse_key=tag,
            notification=messaging.AndroidNotification(
                tag=tag, sound=sound, priority="low" if message.is_silent else "high"
            ),
        ),
        apns=messaging.APNSConfig(
            headers={
                "apns-priority": "5" if message.is_silent else "10",
                "apns-collapse-id": tag,
            },
            payload=messaging.APNSPayload(messaging.Aps(sound=sound)),
        ),
        webpush=messaging.WebpushConfig(
            headers={"TTL": str(int(LIVES.total_seconds())), "Urgency": urgency, "Topic": tag},
            notification=messaging.WebpushNotification(tag=tag, silent=message.is_silent),
        ),
    )
    match message.address.kind:
        case PushKind.FCM_TOKEN:
            fcm.token = message.address.value
        case PushKind.FCM_INSTALLATION:
            fcm.fid = message.address.value
    return fcm


def _as_delivery(error: exceptions.FirebaseError) -> Delivery:
    """The value of an SDK's error; what we do not know is tried again."""
    reason = type(error).__name__
    if isinstance(error, messaging.UnregisteredError | messaging.SenderIdMismatchError):
        return Gone()
    if isinstance(error, exceptions.InvalidArgumentError):
        return Refused(reason)
    return Later(reason, _find_retry_after(error))


def _find_retry_after(error: exceptions.FirebaseError) -> int | None:
    response = error.http_response
    header = response.headers.get("retry-after", "") if response is not None else ""
    return min(int(header), LONGEST_RETRY_AFTER_S) if header.isdecimal() else None
