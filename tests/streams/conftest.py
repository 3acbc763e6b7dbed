"""One server that most tests share, with a table for each of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from tests.streams.origins import LISTED
from tests.support.service_server import ServiceServer, copy_sqlite
from tests.support.shared_server import SharedServer
from tests.support.tables import Table
from waiter_service import Database, WaiterService
from waiter_service.store.models import OutboxRow

TABLES = 180


@pytest.fixture(scope="session")
def tables(
    seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, list[Table]]:
    """A database in which many tables wait to be tested at, all of it long announced."""
    url = copy_sqlite(seeded_sqlite, tmp_path_factory.mktemp("tables"))
    database = Database(url)
    service = WaiterService(database)
    tables = [Table.seat(service, number) for number in range(1001, 1001 + TABLES)]
    with database.writing() as orm:
        orm.execute(delete(OutboxRow))
    database.dispose()
    return url, tables


@pytest.fixture(scope="session")
def _shared_server(
    tables: tuple[str, list[Table]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedServer]:
    url, _ = tables
    server = SharedServer(
        tmp_path_factory.mktemp("server"), url, SSE_HEARTBEAT_SECONDS=1, CORS_ORIGINS=LISTED
    )
    server.start()
    yield server
    server.close()


@pytest.fixture
def house(_shared_server: SharedServer) -> Iterator[SharedServer]:
    """A running server that other tests use as well: leave it running.

    Its streams are hung up after each test, and its log is looked through.
    """
    with _shared_server.one_test():
        yield _shared_server


@pytest.fixture
def take_table(house: SharedServer, tables: tuple[str, list[Table]]) -> Callable[[], Table]:
    """Take a table in ``house`` that no other test has."""

    def take() -> Table:
        table = tables[1].pop()
        table.server = house
        return table

    return take


@pytest.fixture
def table(take_table: Callable[[], Table]) -> Table:
    return take_table()


@pytest.fixture
def start_own(start_server: Callable[..., ServiceServer]) -> Iterator[Callable[..., ServiceServer]]:
    """Start a server of the test's own, like ``start_server``; in the end it is killed.

    Stopping one in good order takes seconds, and has tests of its own.
    """
    servers: list[ServiceServer] = []

    def start(**kwargs: object) -> ServiceServer:
        servers.append(start_server(**kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def server(start_own: Callable[..., ServiceServer]) -> ServiceServer:
    """A server of the test's own, to break, with the demo restaurant."""
    return start_own()


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a line that is seen though the test passes: a measurement."""

    def tell_now(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n    {line}\n")

    return tell_now
