"""Ways in without a radio: the PIN of a stay and the QR code of a token with a minute-bound proof.

Only the arithmetic; lock-outs and the one use of each step are the agent's.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codec import Malformed
from schema.codec.base45 import as_base45, parse_base45
from schema.cose import SIGNATURE_SIZE, SigningKey, verify
from schema.tokens import Token, parse_token

if TYPE_CHECKING:
    from schema.ids import StayId

PIN_DIGITS = 8
PIN_WINDOW_S = 86_400
"""A PIN belongs to one day of Unix time; the former day's is accepted too (PROTOCOL 9)."""

QR_STEP_S = 60
QR_PREFIX = "SLK1:"

_WINDOWS = 1 << 32
_STEP_SIZE = 4
_MAX_QR_TEXT = 2048


def pin(secret: bytes, stay: StayId, window: int) -> str:
    """The 8 digits that open `stay` during this day, by HOTP truncation (RFC 4226 s. 5.3)."""
    stay_key = hmac.digest(secret, b"SLK1-pin" + stay, "sha256")
    mac = hmac.digest(stay_key, window.to_bytes(4, "big"), "sha256")
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**PIN_DIGITS:0{PIN_DIGITS}d}"


def is_pin_right(secret: bytes, stay: StayId, typed: str, now: int) -> bool:
    """Whether these digits are the PIN of today or yesterday; takes the same time either way.

    None is right when the clock was thrown beyond the last window that four bytes can name.
    """
    window = now // PIN_WINDOW_S
    days = [day for day in (window, max(window - 1, 0)) if day < _WINDOWS]
    candidates = [pin(secret, stay, day) for day in days]
    typed_raw = typed.encode("utf-8", "replace")
    matches = [hmac.compare_digest(right.encode(), typed_raw) for right in candidates]
    return any(matches)


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A token shown as a QR code, and the minute for which its holder signed it."""

    token: Token
    step: int
    signature: bytes

    def is_proved_at(self, now: int) -> bool:
        """Whether the holder signed this minute or a neighbouring one."""
        message = _qr_message(self.step, self.token.raw)
        return abs(now // QR_STEP_S - self.step) <= 1 and verify(
            self.token.claims.holder, message, self.signature
        )


def show_token(token: bytes, holder: SigningKey, now: int) -> str:
    """The text of the QR code for this minute."""
    step = now // QR_STEP_S
    signature = holder.sign(_qr_message(step, token))
    return QR_PREFIX + as_base45(token + signature + step.to_bytes(_STEP_SIZE, "big"))


def parse_shown_token(text: str) -> ShownToken:
    """The token in a scanned text; Malformed unless it is exactly of this form."""
    if not text.startswith(QR_PREFIX) or len(text) > _MAX_QR_TEXT:
        raise Malformed("not the code of an unlock token")
    data = parse_base45(text.removeprefix(QR_PREFIX))
    token_size = len(data) - SIGNATURE_SIZE - _STEP_SIZE
    if token_size <= 0:
        raise Malformed("a code that is too short")
    signature, step = data[token_size:-_STEP_SIZE], data[-_STEP_SIZE:]
    return ShownToken(parse_token(data[:token_size]), int.from_bytes(step, "big"), signature)


def _qr_message(step: int, token: bytes) -> bytes:
    return b"SLK1-qr" + step.to_bytes(_STEP_SIZE, "big") + token
