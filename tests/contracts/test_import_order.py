"""The order of imports holds, and the checker sees each kind of breach."""

import shutil
from pathlib import Path

import pytest

from tests.contracts.imports import breaches

ROOT = Path(__file__).resolve().parents[2]


def make_tree(folder: Path, **modules: str) -> Path:
    """A tree with the real order and these modules; `__` in a name stands for a slash."""
    order = folder / "tests" / "contracts" / "order.json"
    order.parent.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "contracts" / "order.json", order)
    for name, text in modules.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_every_import_goes_downwards() -> None:
    assert breaches(ROOT) == []


def test_a_tree_in_order_has_no_breach(tmp_path: Path) -> None:
    tree = make_tree(
        tmp_path,
        schema__ids="from hashlib import sha256",
        schema__tokens="from schema import ids\nfrom .ids import sha256",
        server__lockers__tables="import sqlmodel",
        server__parcels__rules="from schema.ids import sha256",
        server__parcels__service="from server.lockers.tables import A\nimport server.parcels.rules",
        server__app="def serve():\n    from server.parcels import service",
        ble_agent__policy="import schema.tokens",
    )
    assert breaches(tree) == []


@pytest.mark.parametrize(
    ("modules", "breach"),
    [
        (
            {"schema__ids": "import server.kit.db", "server__kit__db": ""},
            "schema.ids imports server.kit.db; schema never imports server",
        ),
        (
            {"ble_agent__doors": "from server.kit import clock", "server__kit__clock": ""},
            "ble_agent.doors imports server.kit.clock; ble_agent never imports server",
        ),
        (
            {"server__people__rules": "import server.lockers.rules", "server__lockers__rules": ""},
            "server.people.rules imports server.lockers.rules; that comes later in the order",
        ),
        (
            {"server__people__rules": "from . import queries", "server__people__queries": ""},
            "server.people.rules imports server.people.queries; that is a higher kind of file",
        ),
        (
            {"server__lockers__rules": "import server.people.graph", "server__people__graph": ""},
            "server.lockers.rules imports server.people.graph; that is a higher kind of file",
        ),
        (
            {"server__kit__db": "def f():\n    import server.app", "server__app": ""},
            "server.kit.db imports server.app; that comes later in the order",
        ),
        (
            {"ble_agent__store": "import ble_agent.doors", "ble_agent__doors": ""},
            "ble_agent.store imports ble_agent.doors; that comes later in the order",
        ),
        (
            {"schema__codec": "import time"},
            "schema.codec imports time; schema stays free of it",
        ),
        (
            {"server__parcels__rules": "from sqlmodel import select"},
            "server.parcels.rules imports sqlmodel.select; server.*.rules stays free of it",
        ),
        (
            {"server__notices__jobs": "import arq"},
            "server.notices.jobs imports arq; that is for server.kit.queue, server.worker",
        ),
        (
            {"server__misc": ""},
            "server.misc has no place in the order of server",
        ),
        (
            {"schema__ids": "import schema.codes", "schema__codes": "import schema.ids"},
            "import loop: schema.codes -> schema.ids -> schema.codes",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_breach_is_named(tmp_path: Path, modules: dict[str, str], breach: str) -> None:
    found = breaches(make_tree(tmp_path, **modules))
    assert breach in found or (breach.startswith("import loop") and len(found) == 1)


def test_graph_types_may_name_a_later_vertical_without_importing_it(tmp_path: Path) -> None:
    by_name = "if TYPE_CHECKING:\n    from server.parcels.graph import Parcel"
    running = "from server.parcels.graph import Parcel"
    later = {"server__parcels__graph": "class Parcel: ..."}
    assert breaches(make_tree(tmp_path / "a", server__lockers__graph=by_name, **later)) == []
    assert breaches(make_tree(tmp_path / "b", server__lockers__graph=running, **later)) == [
        "server.lockers.graph imports server.parcels.graph; that comes later in the order"
    ]
