"""Signing in and out through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.phone import Phone

ME = "{ me { id addresses devices { id isThis waitsUntil } roles { role place } } }"


async def test_a_code_signs_in_and_the_account_is_there(phone: Phone) -> None:
    outcome = await phone.sign_in("Recipient@Example.org")
    assert outcome["device"]["confirmation"] == "FIRST"
    me = (await phone.ask(ME))["me"]
    assert me["addresses"] == ["recipient@example.org"]
    assert me["devices"] == [{"id": phone.device_id, "isThis": True, "waitsUntil": None}]
    assert me["roles"] == []
