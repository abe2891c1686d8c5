"""What a bench prints: rows with a value, the limit it must keep, and the figures behind it."""

from __future__ import annotations

from typing import TypedDict


class Row(TypedDict):
    """One measured line; it holds when `value` is at most `limit`."""

    name: str
    value: float
    limit: float
    detail: str


def holds(row: Row) -> bool:
    """Whether the value keeps its limit."""
    return row["value"] <= row["limit"]


def as_table(rows: list[Row]) -> str:
    """The rows as lines for a terminal."""
    width = max(len(row["name"]) for row in rows)
    return "\n".join(
        f"{'ok  ' if holds(row) else 'OVER'}  {row['name']:{width}}  {row['value']:8g}"
        f"  (limit {row['limit']:g})  {row['detail']}"
        for row in rows
    )
