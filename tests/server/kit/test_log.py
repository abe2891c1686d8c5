"""The log is lines of JSON, and hides what opens anything."""

from __future__ import annotations

import json
import logging
import sys

from server.kit.log import JsonLines, NoVisitors


def line(**extra: object) -> dict[str, object]:
    record = logging.getLogger("server.test").makeRecord(
        "server.test", logging.WARNING, "file", 1, "hello %s", ("world",), None, extra=extra
    )
    parsed: dict[str, object] = json.loads(JsonLines().format(record))
    return parsed


def test_a_record_is_one_object_with_what_was_added() -> None:
    found = line(locker="L1", count=3)
    assert found["message"] == "hello world"
    assert (found["level"], found["from"]) == ("warning", "server.test")
    assert (found["locker"], found["count"]) == ("L1", 3)


def test_what_sounds_secret_is_hidden() -> None:
    found = line(access_token="abc", Authorization="DPoP abc", api_secret="abc")
    assert "abc" not in json.dumps(found)


def test_a_line_stays_one_line() -> None:
    text = ""
    try:
        json.loads("a\nb")
    except ValueError:
        record = logging.makeLogRecord({"msg": "a\nb", "exc_info": sys.exc_info()})
        text = JsonLines().format(record)
    assert "\n" not in text
    assert "JSONDecodeError" in json.loads(text)["traceback"]


def test_values_of_any_kind_are_written() -> None:
    assert line(where=object)["where"] == "<class 'object'>"


def test_nobody_is_named_for_opening_a_socket() -> None:
    said = ['%s - "WebSocket %s" [accepted]', "connection open", "Started server process [%d]"]
    records = [logging.makeLogRecord({"msg": text}) for text in said]
    assert [NoVisitors().filter(record) for record in records] == [False, False, True]
