"""One server that most tests share, with a separate table for each test."""

from __future__ import annotations

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

#: Files whose tests always run without the door as well. The others take minutes without it,
#: so only `make test-long` runs them that way.
QUICK_FILES = {"test_access", "test_limits", "test_live_updates", "test_resume", "test_two_ways"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with the door (SSE_FAST_CONNECT) and without it."""
    file = metafunc.module.__name__.rpartition(".")[2]
    marks = () if file in QUICK_FILES else pytest.mark.long
    ways = [pytest.param("1", id="door"), pytest.param("0", id="blueprint", marks=marks)]
    metafunc.parametrize("fast_connect", ways, indirect=True, scope="session")


@pytest.fixture(scope="session", autouse=True)
def fast_connect(request: pytest.FixtureRequest) -> str:
    """``SSE_FAST_CONNECT`` of all servers that the test starts or uses."""
    return str(request.param)


@pytest.fixture
def start_server(
    start_server: Callable[..., ServiceServer], fast_connect: str
) -> Callable[..., ServiceServer]:
    """Start servers for one test only, with the door or without it."""

    def start(**kwargs: object) -> ServiceServer:
        return start_server(SSE_FAST_CONNECT=fast_connect, **kwargs)

    return start


class House:
    """A running server with many tables. Each test takes one of them."""

    def __init__(self, directory: Path, seeded_sqlite: Path, fast_connect: str) -> None:
        url = copy_sqlite(seeded_sqlite, directory)
        database = Database(url)
        service = WaiterService(database)
        self.tables = [Table.seat(service, number) for number in range(1001, 1001 + TABLES)]
        with database.writing() as orm:
            orm.execute(delete(OutboxRow))  # as if all changes had been announced
        database.dispose()
        self.server = SharedServer(
            directory,
            url,
            SSE_HEARTBEAT_SECONDS=1,
            CORS_ORIGINS=LISTED,
            SSE_FAST_CONNECT=fast_connect,
        )
        self.server.start()


@pytest.fixture(scope="session")
def _house_of(
    seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], House]]:
    """Return the house with the door or the one without it. Both keep running."""
    houses: dict[str, House] = {}

    def house_of(fast_connect: str) -> House:
        if fast_connect not in houses:
            directory = tmp_path_factory.mktemp("house")
            houses[fast_connect] = House(directory, seeded_sqlite, fast_connect)
        return houses[fast_connect]

    yield house_of
    for house in houses.values():
        house.server.close()


@pytest.fixture
def _house(_house_of: Callable[[str], House], fast_connect: str) -> House:
    return _house_of(fast_connect)


@pytest.fixture
def house(_house: House) -> Iterator[SharedServer]:
    """A running server that other tests use as well, so a test must leave it running.

    After each test its streams are closed and its log is checked.
    """
    with _house.server.one_test():
        yield _house.server


@pytest.fixture
def take_table(house: SharedServer, _house: House) -> Callable[[], Table]:
    """Take a table in ``house`` that no other test uses."""

    def take() -> Table:
        table = _house.tables.pop()
        table.server = house
        return table

    return take


@pytest.fixture
def table(take_table: Callable[[], Table]) -> Table:
    return take_table()


@pytest.fixture
def start_own(start_server: Callable[..., ServiceServer]) -> Iterator[Callable[..., ServiceServer]]:
    """Start a server for one test, like ``start_server``, and kill it in the end.

    Stopping a server in good order takes seconds, and has its own tests.
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
    """A server with the demo restaurant for one test, which may break it."""
    return start_own()
