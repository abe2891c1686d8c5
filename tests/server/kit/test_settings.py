"""Settings are read once, and refuse what they do not know."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from server.kit.errors import SettingsError
from server.kit.settings import Settings


def test_nothing_set_gives_the_defaults() -> None:
    assert Settings.from_environ({"PATH": "/bin", "HOME": "/"}) == Settings()


def test_what_is_set_is_read() -> None:
    root = "0102" + "ab" * 32
    settings = Settings.from_environ(
        {
            "RESTANTE_DATABASE_URL": "postgresql+asyncpg://user:secret@db/restante",
            "RESTANTE_DATABASE_POOLER": "true",
            "RESTANTE_VALKEY_URL": "rediss://cache:6380/1",
            "RESTANTE_STATE_DIR": "/var/lib/restante",
            "RESTANTE_PUBLIC_URL": "https://restante.example/",
            "RESTANTE_ALLOWED_ORIGINS": "https://app.example, https://console.example",
            "RESTANTE_LISTEN_PORT": "0",
            "RESTANTE_TRUSTED_PROXIES": "2",
            "RESTANTE_ROOT_KEYS": f"{root},{root}",
            "RESTANTE_SMTP_URL": "smtp+starttls://user:secret@mail.example:587",
            "RESTANTE_FCM_BASE_URL": "http://127.0.0.1:9000",
            "RESTANTE_POSTGRES_BIN": "/usr/bin",
        }
    )
    assert settings.database_pooler is True
    assert settings.state_dir == Path("/var/lib/restante")
    assert settings.public_url == "https://restante.example"
    assert settings.allowed_origins == ("https://app.example", "https://console.example")
    assert (settings.listen_port, settings.trusted_proxies) == (0, 2)
    assert settings.root_keys == (bytes.fromhex(root),) * 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RESTANTE_DATABASE_URL", "mysql://db/restante"),
        ("RESTANTE_DATABASE_URL", ""),
        ("RESTANTE_DATABASE_POOLER", "yes"),
        ("RESTANTE_VALKEY_URL", "http://cache"),
        ("RESTANTE_VALKEY_URL", "redis://"),
        ("RESTANTE_VALKEY_URL", "redis://cache"),
        ("RESTANTE_STATE_DIR", " "),
        ("RESTANTE_PUBLIC_URL", "restante.example"),
        ("RESTANTE_PUBLIC_URL", "https://restante.example/graphql"),
        ("RESTANTE_PUBLIC_URL", "https://[half"),
        ("RESTANTE_ALLOWED_ORIGINS", "*"),
        ("RESTANTE_LISTEN_PORT", "65536"),
        ("RESTANTE_LISTEN_PORT", "-1"),
        ("RESTANTE_LISTEN_PORT", "٨"),
        ("RESTANTE_TRUSTED_PROXIES", "all"),
        ("RESTANTE_ROOT_KEYS", "zz"),
        ("RESTANTE_ROOT_KEYS", "00" * 33),
        ("RESTANTE_SMTP_URL", "mail.example"),
        ("RESTANTE_MAIL_FROM", "nobody"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} "):
        Settings.from_environ({name: text})


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(SettingsError, match="RESTANTE_DATABSE_URL is no setting"):
        Settings.from_environ({"RESTANTE_DATABSE_URL": "sqlite+aiosqlite:///x.db"})


def test_addresses_that_may_hold_a_password_are_not_shown() -> None:
    settings = Settings(
        database_url="postgresql+asyncpg://user:secret@db/restante",
        valkey_url="redis://:secret@cache",
        smtp_url="smtp://user:secret@mail.example",
    )
    assert "secret" not in repr(settings)


def test_every_setting_is_described_for_people() -> None:
    rows = list(Settings.describe())
    assert [row.name for row in rows] == [f"RESTANTE_{f.name.upper()}" for f in fields(Settings)]
    assert all(row.meaning.endswith(".") for row in rows)
    assert {row.default for row in rows if row.name == "RESTANTE_LISTEN_PORT"} == {"8000"}
