"""Fixtures: an empty database, a clock that stands still, a service with waiters and tables.

Tests that use the database run on a SQLite file and on a real PostgreSQL.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.support.postgres_server import PostgresServer
from tests.support.programs import find_program
from waiter_service import Change, Database, FloorQueries, WaiterService, signals
from waiter_service.store.models import Base, VenueRow

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


class StillClock:
    """A clock that only moves when a test advances it."""

    def __init__(self) -> None:
        self.now = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Listener:
    """A receiver of every signal that records the changes, and fails on demand."""

    def __init__(self) -> None:
        self.heard: list[Change] = []
        self.refuse: Callable[[Change], bool] = lambda change: False

    def __call__(self, sender: object, *, change: Change) -> None:
        if self.refuse(change):
            raise RuntimeError("receiver fails on purpose")
        self.heard.append(change)

    @property
    def ids(self) -> list[str]:
        return [change.id for change in self.heard]

    def of(self, session_id: str) -> list[Change]:
        return [change for change in self.heard if change.session_or_none == session_id]


@pytest.fixture(autouse=True)
def _no_receiver_is_left() -> Iterator[None]:
    yield
    left = [name for name, signal in signals.BY_KIND.items() if list(signal.receivers)]
    assert not left


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Connect a listener to signals (all by default), until the test ends."""
    listeners: list[Listener] = []

    def connect(*chosen: Any) -> Listener:
        listener = Listener()
        listeners.append(listener)
        for signal in chosen or signals.BY_KIND.values():
            signal.connect(listener)
        return listener

    yield connect
    for listener in listeners:
        for signal in signals.BY_KIND.values():
            signal.disconnect(listener)


@pytest.fixture
def listener(listen: Callable[..., Listener]) -> Listener:
    return listen()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture(params=ENGINES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest) -> Database:
    """A database with all tables, as the migrations leave it.

    Emptied for each test, not made again: SQLAlchemy compiles every statement
        once per engine, which takes longer than most of these tests.
    """
    database: Database = request.getfixturevalue(f"migrated_{request.param}")
    if not database.is_sqlite:
        # Another test may have stopped the server.
        request.getfixturevalue("postgres_server")
    with database.writing() as orm:
        for table in reversed(Base.metadata.sorted_tables):
            orm.execute(table.delete())
        # The migration adds this row.
        orm.add(VenueRow(id="main", name="Main", time_zone="UTC", created_at=datetime.now(UTC)))
    return database


@pytest.fixture
def database_url(database: Database) -> str:
    """The URL of ``database``, for other processes."""
    return database.url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("floor") / "restaurant.db"
    with _migrated(f"sqlite:///{path}") as database:
        yield database


@pytest.fixture(scope="session")
def migrated_postgresql(_postgres: PostgresServer) -> Iterator[Database]:
    _postgres.start()
    with _migrated(_postgres.url(_postgres.create_database())) as database:
        yield database


@contextmanager
def _migrated(url: str) -> Iterator[Database]:
    database = Database(url)
    database.upgrade()
    yield database
    database.dispose()


@pytest.fixture
def make_service(database_url: str, clock: StillClock) -> Iterator[Callable[..., WaiterService]]:
    """Make services that share only the database, as processes do."""
    made: list[WaiterService] = []

    def make(*, relay: bool = False, **options: Any) -> WaiterService:
        time = {"clock": clock, "monotonic": clock.monotonic}
        service = WaiterService(Database(database_url), **{**time, **options})
        made.append(service)
        if relay:
            service.start_relaying()
        return service

    yield make
    for service in made:
        if service.is_relay:
            service.stop_relaying()
        service.database.dispose()


@pytest.fixture
def service(database: Database, clock: StillClock) -> WaiterService:
    """A service with tables: anna has tables 5 and 7, ben has table 9.

    No change is waiting to be announced.
    """
    service = WaiterService(database, clock=clock, monotonic=clock.monotonic)
    service.add_waiter("anna", "Anna")
    service.add_waiter("ben", "Ben")
    for table, waiter in ((5, "anna"), (7, "anna"), (9, "ben")):
        service.open_session(table, waiter, session_id=f"table-{table}")
    service.create_request("table-7", "water", request_id="req-1")
    service.place_order("table-7", [{"name": "Pizza", "quantity": 3}], order_id="ord-1")
    with service.database.writing() as orm:
        orm.execute(text("DELETE FROM outbox"))
    return service


@pytest.fixture
def queries(service: WaiterService, clock: StillClock) -> FloorQueries:
    return FloorQueries(service.database, clock=clock)


@pytest.fixture
def run_python() -> Callable[..., subprocess.Popen[str]]:
    """Start another process of the same Python, with ``source`` as its program.

    ``clock`` sets its clock ahead or back, in the form of the program faketime: ``+1h``.
    """

    def run(source: str, *arguments: str, clock: str = "") -> subprocess.Popen[str]:
        off = [find_program("faketime"), "-f", clock] if clock else []
        return subprocess.Popen(
            [*off, sys.executable, "-W", "error", "-c", source, *arguments],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return run
