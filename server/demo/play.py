"""The demo as a whole: tells the story, writes the report, keeps everything running if asked to."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from server.demo.papers import hand_out, trust_file
from server.demo.setting import COURIER, OPERATOR, RECIPIENT
from server.demo.story import tell
from server.demo.supervisor import supervise
from server.demo.transcript import FAILURES, Transcript, write_report
from server.kit.errors import ServerError
from server.kit.identify import GRAPHQL_PATH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from server.demo.supervisor import Supervisor

    Tell = Callable[[Supervisor, Transcript], None]

LOOK_S = 0.5
"""How often a demo that is kept looks whether all of its processes still run."""

EMAILS = {"operator": OPERATOR, "courier": COURIER, "recipient": RECIPIENT}


def play(
    *, report: Path | None, keep: bool, receipt: Path | None = None, story: Tell = tell
) -> int:
    """Tell the story; 0 only if each step was verified.

    The report is written however it ends, and before a kept demo begins to wait; the parcel's
    receipt, and the keys to trust, once everything was verified. With `keep`
    everything that was verified runs on until Ctrl-C; nothing is left of it afterwards.
    """
    transcript = Transcript(say)
    more: dict[str, Any] = {}
    began = time.monotonic()
    try:
        with supervise() as supervisor:
            perform(supervisor, transcript, story, more)
            if receipt is not None and transcript.is_verified:
                hand_out(supervisor, receipt)
                say(f"receipt: ./restante verify {receipt} --trust {trust_file(receipt)}")
            say(f"{summary(transcript)} in {time.monotonic() - began:.1f} s")
            if keep and transcript.is_verified:
                more |= describe(supervisor)
                save(report, transcript, more)
                linger(supervisor)
    except ServerError as error:
        say(f"the demo ended: {error}")
        return 1
    finally:
        save(report, transcript, more)
    return 0 if transcript.is_verified else 1


def perform(
    supervisor: Supervisor, transcript: Transcript, story: Tell, more: dict[str, Any]
) -> None:
    """Tell the story to its end, or to the step that was not verified; its logs are kept then."""
    try:
        story(supervisor, transcript)
    except FAILURES:
        logs = str(supervisor.rescue_logs())
        more["logs"] = logs
        say(f"what the processes wrote is kept in {logs}")


def linger(supervisor: Supervisor) -> None:
    """Tell how to go on by hand, and wait for Ctrl-C; raises if a process ends by itself."""
    for line in instructions(supervisor):
        say(line)
    try:
        while True:
            supervisor.check_alive()
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        say("ending everything")


def describe(supervisor: Supervisor) -> dict[str, Any]:
    """What somebody needs to go on by hand."""
    endpoints = supervisor.endpoints
    return {
        "endpoints": {
            "graphql": endpoints.api + GRAPHQL_PATH,
            "radios": [f"tcp-client:127.0.0.1:{port}" for port in supervisor.controllers[1:]],
            **asdict(endpoints),
        },
        "emails": EMAILS,
        "wallets": {
            who: str(supervisor.folder / address.partition("@")[0])
            for who, address in EMAILS.items()
        },
    }


def instructions(supervisor: Supervisor) -> list[str]:
    """Addresses, and how to sign in, as lines to read and to copy."""
    found = describe(supervisor)
    phone = f"./restante phone --wallet my-phone --server {supervisor.endpoints.api}"
    mails = f"{supervisor.endpoints.mails}/mails?to={OPERATOR}"
    return [
        "",
        "Everything runs on until Ctrl-C:",
        f"  API       {found['endpoints']['graphql']}",
        f"  mails     {supervisor.endpoints.mails}/mails",
        f"  pushes    {supervisor.endpoints.pushes}/messages",
        *(f"  radio     bumble:{radio}" for radio in found["endpoints"]["radios"]),
        *(f"  wallet    {folder}" for folder in found["wallets"].values()),
        "",
        f"Sign in as {', '.join(EMAILS.values())} with a phone of your own:",
        f"  {phone} request-code {OPERATOR}",
        f"  curl '{mails}'    # the code is in the mail",
        f"  {phone} sign-in REQUEST_ID CODE",
        f"  {phone} ask '{{ me {{ roles {{ role }} }} }}'",
        "At the door, with a parcel fetched before:",
        "  ./restante phone --wallet my-phone --radio RADIO open PARCEL",
    ]


def summary(transcript: Transcript) -> str:
    """How many steps were verified."""
    verified = sum(step.ok for step in transcript.steps)
    return f"{verified} of {len(transcript.steps)} steps verified"


def save(report: Path | None, transcript: Transcript, more: dict[str, Any]) -> None:
    """Write the report where one is wanted; the last one written counts."""
    if report is not None:
        write_report(report, transcript, more)


def say(line: str) -> None:
    """Tell it at once, also into a pipe."""
    print(line, flush=True)
