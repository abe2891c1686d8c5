"""Brings a database to the state that this version of the code needs.

The history itself is in `migrations/`: beside the package in a checkout, inside it in a wheel.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

_PACKAGE = Path(__file__).resolve().parent.parent


def migrate(url: str, *, to: str = "head") -> None:
    """Runs the migrations up to a revision; repeating does nothing.

    Starts an event loop of its own, so it must not be called from one.
    """
    command.upgrade(alembic_config(url), to)


def alembic_config(url: str) -> Config:
    """The configuration of Alembic for this database."""
    beside = _PACKAGE.parent / "migrations"
    config = Config()
    config.set_main_option(
        "script_location", str(beside if beside.exists() else _PACKAGE / "_migrations")
    )
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config
