"""Files and JSON that a person names on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ble_agent.errors import AgentError


def read_file(path: str) -> bytes:
    """A file that a person named; AgentError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise AgentError(f"{path} cannot be read: {error.strerror}") from error


def write_file(path: Path, text: str) -> None:
    """A file that a person named; AgentError where it cannot be written."""
    try:
        path.write_text(text)
    except OSError as error:
        raise AgentError(f"{path} cannot be written: {error.strerror}") from error


def parse_object(name: str, text: str | bytes) -> dict[str, Any]:
    """A JSON object that a person gave; AgentError for anything else."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise AgentError(f"{name} must be a JSON object") from error
    if not isinstance(found, dict):
        raise AgentError(f"{name} must be a JSON object")
    return found
