"""Structured log: one JSON object a line on standard error, and nothing in it that opens anything.

Code logs through `logging` with `extra={...}`; what stands in `extra` becomes a member of the
object.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

SECRET_WORDS = ("authorization", "cookie", "dpop", "password", "secret", "seed", "token")
"""A member of such a name is written as `[hidden]`: a guard against our own slips."""

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line: time, level, source, message, what `extra` brought, and a traceback if any."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "from": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in _PLAIN:
                line[name] = "[hidden]" if _is_secret(name) else value
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class NoVisitors(logging.Filter):
    """Drops the lines that the web server writes for each WebSocket: they name addresses of people
    and say nothing that anybody looks for.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is about anything else."""
        text = str(record.msg)
        return not text.startswith(('%s - "WebSocket', "connection open", "connection closed"))


def start_logging(level: int = logging.INFO) -> None:
    """Sends every record of the process to standard error; repeating replaces the handler."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(NoVisitors())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # A line for each request of ours says nothing that our own lines and metrics do not.
    logging.getLogger("httpx").setLevel(max(level, logging.WARNING))


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS)
