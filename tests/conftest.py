"""Fixtures that all tests share. They use the helpers in ``tests/support``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.leaks import nothing_left
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer, copy_sqlite, open_restaurant

IS_CI = os.environ.get("CI") == "true"

# The time of an example depends on the machine's load, so it fails no test.
settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-speed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, where everything can be installed, a skipped test is a failure."""
    report = yield
    if IS_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = _forbidden(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that is skipped as a whole."""
    report = yield
    if IS_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = _forbidden(report)
    return report


def _forbidden(report: pytest.TestReport | pytest.CollectReport) -> str:
    # A skip's longrepr is its file, its line and its reason.
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    return f"{report.nodeid}: {reason}, which CI=true forbids"


@pytest.fixture(autouse=True)
def leak_detector() -> Iterator[None]:
    """Fail a test that leaves a greenlet or a receiver behind."""
    with nothing_left():
        yield


@pytest.fixture(scope="session")
def seeded_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database with the demo restaurant, to be copied."""
    path = tmp_path_factory.mktemp("seeded") / "restaurant.db"
    open_restaurant(f"sqlite:///{path}")
    return path


@pytest.fixture
def start_server(
    seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., ServiceServer]]:
    """Start any number of servers: ``start_server(SSE_HEARTBEAT_SECONDS=0.2)``.

    Each has an instance directory and, unless ``DATABASE_URL`` is given, a
    seeded SQLite database of its own. ``start=False`` leaves starting to the test.
    """
    with ExitStack() as stack:

        def make(*, start: bool = True, **env: object) -> ServiceServer:
            directory = tmp_path_factory.mktemp("server")
            url = str(env.pop("DATABASE_URL", "")) or copy_sqlite(seeded_sqlite, directory)
            server = ServiceServer(directory, url, **env)
            stack.callback(server.close)
            if start:
                server.start()
            return server

        yield make


@pytest.fixture
def server(start_server: Callable[..., ServiceServer]) -> ServiceServer:
    """The service as deployed, with the demo restaurant in its database."""
    return start_server()


@pytest.fixture(scope="session")
def _redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.thaw()
    server.stop()


@pytest.fixture
def redis_server(_redis: RedisServer) -> RedisServer:
    """A real Redis, running and empty. A test may stop or fill it."""
    _redis.reset()
    return _redis


@pytest.fixture(scope="session")
def _postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def postgres_server(_postgres: PostgresServer) -> PostgresServer:
    """A real PostgreSQL, running; ``postgres_url`` is a database in it."""
    _postgres.start()
    return _postgres


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A new, empty database in ``postgres_server``."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.start()
    postgres_server.drop_database(name)


@pytest.fixture
def seeded_postgres_url(postgres_url: str) -> str:
    """A new database with the tables and the demo restaurant in it."""
    open_restaurant(postgres_url)
    return postgres_url


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a line, such as a measurement, even if the test passes."""

    def tell_now(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n    {line}\n")

    return tell_now
