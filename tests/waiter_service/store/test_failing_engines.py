"""A failing database always gives ``DatabaseUnavailable``, and the service recovers by itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from tests.browser.tcp_proxy import TcpProxy
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import wait_until
from waiter_service import Database, DatabaseUnavailable, WaiterService

on_postgresql = pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def operate(
    postgres_server: PostgresServer, database: Database
) -> Iterator[Callable[[str, str], None]]:
    """Execute a statement now, and its ``undo`` at the end of the test."""
    name = str(database.url.database)
    undone_by: list[str] = []

    def execute(statement: str, undo: str) -> None:
        postgres_server.execute(statement.format(database=name), name)
        undone_by.append(undo)

    yield execute
    for each in undone_by:
        postgres_server.execute(each.format(database=name), name)
    database.dispose()


def changes(service: WaiterService) -> bool:
    """Return whether an order can be moved on."""
    try:
        return service.update_order_status("ord-1", "Acknowledged").changed
    except DatabaseUnavailable:
        return False


@on_postgresql
@pytest.mark.parametrize(
    ("statement", "undo"),
    [
        ("ALTER TABLE orders RENAME TO restored", "ALTER TABLE restored RENAME TO orders"),
        ("ALTER SCHEMA public RENAME TO restored", "ALTER SCHEMA restored RENAME TO public"),
    ],
)
def test_tables_missing_during_a_restore_mean_that_the_database_is_unavailable(
    service: WaiterService, operate: Callable[[str, str], None], statement: str, undo: str
) -> None:
    operate(statement, undo)
    with pytest.raises(DatabaseUnavailable):
        service.update_order_status("ord-1", "Acknowledged")


@on_postgresql
def test_a_read_only_server_takes_changes_again_as_soon_as_it_can(
    service: WaiterService, postgres_server: PostgresServer
) -> None:
    postgres_server.refuse_changes()
    try:
        wait_until(lambda: not takes_changes(service), 5)
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            service.database.write_probe()
        assert service.pending_count() == 0, "reading still works"
    finally:
        postgres_server.refuse_changes(False)
    wait_until(lambda: changes(service), 5)


def takes_changes(service: WaiterService) -> bool:
    try:
        service.database.write_probe()
    except DatabaseUnavailable:
        return False
    return True


@on_postgresql
def test_an_altered_column_fails_one_change_at_most(
    service: WaiterService, operate: Callable[[str, str], None]
) -> None:
    """A connection refuses a statement that it prepared before the change."""
    for status in ["Acknowledged", "InProgress"] * 6:
        service.update_request_status("req-1", status)
    operate(
        "ALTER TABLE requests ALTER COLUMN note TYPE text",
        "ALTER TABLE requests ALTER COLUMN note TYPE varchar(500)",
    )
    with pytest.raises(DatabaseUnavailable, match="cached plan"):
        service.update_request_status("req-1", "Acknowledged")
    assert service.update_request_status("req-1", "Acknowledged").changed


@pytest.fixture
def standby(postgres_server: PostgresServer, service: WaiterService) -> Iterator[PostgresServer]:
    standby = PostgresServer(primary=postgres_server)
    standby.start()
    yield standby
    standby.remove()


@on_postgresql
@pytest.mark.long
def test_after_a_failover_changes_go_to_the_new_primary_without_a_restart(
    service: WaiterService, postgres_server: PostgresServer, standby: PostgresServer
) -> None:
    """The former primary keeps running, read-only, and so do our connections to it."""
    url = service.database.url

    def version_there() -> int:
        with psycopg.connect(standby.url(str(url.database))) as connection:
            found = connection.execute("SELECT version FROM orders WHERE id = 'ord-1'").fetchone()
        return int(found[0]) if found else 0

    with TcpProxy(postgres_server.port) as name:
        database = Database(url.set(port=name.port).render_as_string(hide_password=False))
        other = WaiterService(database)
        other.update_request_status("req-1", "Acknowledged")
        wait_until(lambda: version_there() == 1, 10)
        try:
            postgres_server.refuse_changes()
            wait_until(lambda: not takes_changes(other), 5)
            standby.promote()
            name.point_to(standby.port)

            wait_until(lambda: changes(other), 5)
            assert version_there() == 2
        finally:
            postgres_server.refuse_changes(False)
            database.dispose()


def test_a_write_probe_writes_to_the_database(service: WaiterService) -> None:
    for expected in (1, 2):
        service.database.write_probe()
        with service.database.reading() as orm:
            assert orm.scalar(text("SELECT writes FROM write_probe")) == expected


TRY_TO_CHANGE = """
import os, resource, sys
from waiter_service import Database, DatabaseUnavailable, WaiterService

database = Database(sys.argv[1])
service = WaiterService(database)

def try_to_change():
    for change in (database.write_probe, lambda: service.add_waiter("cleo", "Cleo")):
        try:
            change()
        except DatabaseUnavailable as error:
            print(error)

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

"""
READ_ONLY = """
database.check()
if os.geteuid() == 0:
    os.seteuid(65534)
database.dispose()
try_to_change()
"""
FULL = """
database.write_probe()
limit(4096)
try_to_change()
limit(resource.RLIM_INFINITY)
service.add_waiter("cleo", "Cleo")
database.write_probe()
database.dispose()
"""


@pytest.mark.parametrize(
    ("program", "message"), [(READ_ONLY, "readonly database"), (FULL, "disk I/O error")]
)
def test_a_file_that_cannot_be_written_means_that_the_database_is_unavailable(
    seeded_sqlite: Path, run_python: Callable[..., Any], program: str, message: str
) -> None:
    # Not below pytest's own directory, which only our user may enter.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "restaurant.db"
        shutil.copyfile(seeded_sqlite, path)
        path.chmod(0o444 if program is READ_ONLY else 0o644)
        path.parent.chmod(0o755)
        process = run_python(TRY_TO_CHANGE + program, f"sqlite:///{path}")
        said, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, "")
    assert said.count(message) == 2, said
