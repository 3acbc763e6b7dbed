"""A real Chromium, and the npm packages that ``make test`` installs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser import rehearsal
from tests.browser.demo import DESKTOP, Demo
from tests.browser.tcp_proxy import TcpProxy
from tests.support.programs import find_program
from tests.support.service_server import ServiceServer, copy_sqlite

HERE = Path(__file__).parent

PLAIN_HOST = "restaurant.example"

_ARGUMENTS = [
    "--no-sandbox",  # it refuses to start as root otherwise
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Otherwise it calls its maker's servers and keeps the network busy.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page of this host uses plain http and is not local, so it has no Web Locks.
    f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1",
    # A tab that hangs must neither hang the other tabs nor be helped by them.
    "--process-per-tab",
]
# Chromium reports this for every request that a test made fail.
_EXPECTED = re.compile("Failed to load resource|net::ERR_")


# Not for the whole session: while it runs, asyncio's loop runs in this thread,
# and other tests could not start theirs.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    path = find_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Make browser profiles. The test fails if one of their pages reports an error."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
        page.on(
            "console",
            lambda message: errors.append(message.text) if message.type == "error" else None,
        )

    def make(**options: object) -> BrowserContext:
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(20_000)
        context.on("page", watch)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()
    unexpected = [error for error in errors if not _EXPECTED.search(error)]
    assert not unexpected, f"the page reported: {unexpected}"


@pytest.fixture
def context(new_context: Callable[..., BrowserContext]) -> BrowserContext:
    """A new browser profile."""
    return new_context()


# Fast enough that a test can wait until silence is noticed.
HEARTBEAT = {"SSE_HEARTBEAT_SECONDS": 0.5}


@pytest.fixture(scope="module")
def server(
    seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceServer]:
    """A server shared by all tests that do not stop it."""
    directory = tmp_path_factory.mktemp("server")
    server = ServiceServer(directory, copy_sqlite(seeded_sqlite, directory), **HEARTBEAT)
    server.start()
    yield server
    server.close()


@pytest.fixture
def own_server(start_server: Callable[..., ServiceServer]) -> ServiceServer:
    """A server for one test, which may stop it."""
    return start_server(**HEARTBEAT)


@pytest.fixture
def demo_server(start_server: Callable[..., ServiceServer]) -> ServiceServer:
    """The service with the demo page and the seeded restaurant."""
    return start_server(DEMO=1, **HEARTBEAT)


@pytest.fixture
def demo(demo_server: ServiceServer, new_context: Callable[..., BrowserContext]) -> Demo:
    """The demo page on a desktop screen."""
    return Demo(new_context(viewport=DESKTOP), demo_server)


@pytest.fixture
def proxy(server: ServiceServer) -> Iterator[TcpProxy]:
    """A network between the test's client and ``server`` that a test can cut."""
    with TcpProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def page(server: ServiceServer, context: BrowserContext) -> Page:
    """A page for the client with stand-ins; see ``rehearsal.play``."""
    page = context.new_page()
    page.goto(f"{server.url}/sse/health")  # any page of the same origin works
    rehearsal.install(page)
    return page


@pytest.fixture(scope="session")
def npm_package() -> Callable[[str], Path]:
    """Find an installed npm package, or skip the test and name what is missing."""

    def find(name: str) -> Path:
        path = HERE / "node_modules" / name
        if not path.is_dir():
            pytest.skip(f"npm package {name} is missing; make test-npm installs it")
        return path

    return find


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node.js."""
    return os.fspath(find_program("node"))
