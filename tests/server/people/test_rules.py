"""What decides about addresses, names, codes and the trust in devices."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from schema.codes import ProblemCode
from server.people.rules import (
    DEVICE_WAIT,
    Contact,
    ContactKind,
    DeviceTrust,
    code_from,
    may_receive,
    may_remove,
    may_vouch,
    read_code,
    read_contact,
    read_name,
)
from tests.fakes.sources import START

BEFORE = START - timedelta(days=1)
AFTER = START + timedelta(seconds=1)
NEW = DeviceTrust(registered_at=START)
OLD = DeviceTrust(registered_at=BEFORE, confirmed_at=BEFORE)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("recipient@example.org", "recipient@example.org"),
        (" Recipient@EXAMPLE.org ", "recipient@example.org"),
        ("a+b@example.org", "a+b@example.org"),
        ("\uff41@example.org", "a@example.org"),
    ],
)
def test_an_email_address_has_one_form(typed: str, address: str) -> None:
    assert read_contact(typed) == Contact(ContactKind.EMAIL, address)


@pytest.mark.parametrize("typed", ["+49 (30) 123-456.78", "+493012345678"])
def test_a_phone_number_has_one_form(typed: str) -> None:
    assert read_contact(typed) == Contact(ContactKind.PHONE, "+493012345678")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "recipient",
        "a@b@c",
        "a b@example.org",
        "a@example.org\nBcc: x@example.org",
        "a@example.org,b@example.org",
        "<a@example.org>",
        "x" * 65 + "@example.org",
        "a@" + "x" * 191,
        "030 123456",
        "+0123456789",
        "+123",
        "+" + "1" * 16,
    ],
)
def test_what_is_no_address_is_not_read(typed: str) -> None:
    assert read_contact(typed) is None


@pytest.mark.parametrize("text", ["", " ", "x" * 81, "a\nb", "a\x00", "a\u202eb"])
def test_a_name_is_one_visible_line(text: str) -> None:
    assert read_name(text) is None
    assert read_name(" Anna's phone ") == "Anna's phone"


def test_a_code_has_eight_digits_and_may_be_typed_in_groups() -> None:
    assert code_from(bytes(32)) == "00000000"
    assert read_code("1234 5678") == read_code("1234-5678") == "12345678"


def test_a_new_device_waits_for_what_exists_already() -> None:
    refusal = may_receive(NEW, exists_since=BEFORE, now=AFTER)
    assert refusal is not None
    assert refusal.code is ProblemCode.DEVICE_TOO_NEW
    assert refusal.retry_after_s == DEVICE_WAIT.total_seconds() - 1
    assert refusal.next


@pytest.mark.parametrize(
    ("device", "exists_since", "now"),
    [
        (NEW, AFTER, AFTER),
        (NEW, BEFORE, START + DEVICE_WAIT),
        (DeviceTrust(START, confirmed_at=START), BEFORE, AFTER),
        (OLD, BEFORE - timedelta(days=30), AFTER),
    ],
    ids=["later parcel", "a day later", "confirmed or first", "old device"],
)
def test_nobody_waits_without_need(
    device: DeviceTrust, exists_since: datetime, now: datetime
) -> None:
    assert may_receive(device, exists_since=exists_since, now=now) is None


def test_what_exists_since_the_same_moment_counts_as_older() -> None:
    assert may_receive(NEW, exists_since=START, now=AFTER) is not None


def test_only_an_older_device_that_does_not_wait_vouches() -> None:
    younger = DeviceTrust(AFTER)
    assert may_vouch(OLD, NEW, now=AFTER) is None
    assert _code(may_vouch(NEW, younger, now=AFTER)) is ProblemCode.DEVICE_TOO_NEW
    assert _code(may_vouch(NEW, OLD, now=AFTER)) is ProblemCode.NOT_PERMITTED
    assert _code(may_vouch(OLD, OLD, now=AFTER)) is ProblemCode.NOT_PERMITTED


def test_a_device_that_waits_removes_no_older_one() -> None:
    assert _code(may_remove(NEW, OLD, now=AFTER)) is ProblemCode.DEVICE_TOO_NEW
    assert may_remove(NEW, DeviceTrust(AFTER), now=AFTER) is None
    assert may_remove(NEW, NEW, now=AFTER) is None
    assert may_remove(OLD, NEW, now=AFTER) is None
    assert may_remove(NEW, OLD, now=START + DEVICE_WAIT) is None


def _code(refusal: object) -> object:
    return getattr(refusal, "code", None)
