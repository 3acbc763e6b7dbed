"""The default behaviour of each known client, compared with the guide's table."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route

from tests.support.programs import REPOSITORY, end

pytestmark = [pytest.mark.browser, pytest.mark.long]

HERE = Path(__file__).parent
IN_BROWSER = [
    "EventSource",
    "event-source-polyfill",
    "extended-eventsource",
    "@microsoft/fetch-event-source",
    "reconnecting-eventsource",
    "react-native-sse",
    "sse.js",
]
IN_NODE = ["eventsource", "eventsource-client", "launchdarkly-eventsource"]

#: The columns of the guide's table.
CASES = ("clean-close", "401", "429", "503", "network-loss", "in-band")
RETRY_AFTER_SECONDS = 6
#: Longer than any client's first pause and than the Retry-After that is sent.
WINDOW_SECONDS = 12.0

CLOSING = b'retry: 300\nevent: closing\ndata: {"code":"server_full","reconnect":true}\n\n'


class Service:
    """Answers each address differently, and records when it was requested."""

    def __init__(self) -> None:
        self.asked: dict[str, list[float]] = defaultdict(list)
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_OPTIONS(self) -> None:
                self._begin(204, "text/plain")
                self.end_headers()

            def do_GET(self) -> None:
                case = self.path.strip("/").partition("?")[0]
                service.asked[case].append(time.monotonic())
                if case.isdecimal():
                    self._begin(int(case), "application/problem+json")
                    self.send_header("Retry-After", str(RETRY_AFTER_SECONDS))
                    self._finish(b"{}")
                elif case == "network-loss":
                    self._begin(200, "text/event-stream")
                    self.end_headers()
                    self.wfile.write(b"retry: 300\ndata: hello\n\n")
                    time.sleep(0.3)
                    self.connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                    self.connection.close()
                elif case == "blank":
                    self._begin(200, "text/html")
                    self._finish(b"")
                else:
                    self._begin(200, "text/event-stream")
                    self._finish(CLOSING if case == "in-band" else b"retry: 300\ndata: hello\n\n")

            def _begin(self, status: int, kind: str) -> None:
                self.close_connection = True
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Connection", "close")
                self.send_header("Access-Control-Allow-Origin", "*")
                self.send_header("Access-Control-Allow-Headers", "last-event-id, cache-control")
                self.send_header("Access-Control-Expose-Headers", "Retry-After")

            def _finish(self, body: bytes) -> None:
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass  # connections that this service broke itself

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def urls(self) -> list[str]:
        return [f"{self.url}/{case}" for case in CASES]

    @property
    def row(self) -> list[str]:
        """The client's behaviour, as a row of the guide's table."""
        words = ["returns" if len(self.asked[case]) > 1 else "ends" for case in CASES]
        refused = [self.asked[case] for case in ("429", "503") if len(self.asked[case]) > 1]
        heeds = all(second - first > RETRY_AFTER_SECONDS - 0.1 for first, second, *_ in refused)
        return [*words[:5], ("yes" if heeds else "no") if refused else "–", words[5]]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def services() -> Iterator[dict[str, Service]]:
    """One service for each client, because a browser opens six connections to a host."""
    services = {client: Service() for client in [*IN_BROWSER, *IN_NODE]}
    yield services
    for service in services.values():
        service.close()


def serve_package(route: Route) -> None:
    path = HERE / "node_modules" / route.request.url.partition("/npm/")[2]
    if not path.suffix:
        path = path.with_suffix(".js")
    route.fulfill(path=path, content_type="text/javascript")


def test_the_guides_table_equals_the_measured_behaviour(
    chromium: Browser,
    services: dict[str, Service],
    npm_package: Callable[[str], Path],
    node: str,
) -> None:
    for client in [*IN_BROWSER[1:], *IN_NODE]:
        npm_package(client)
    # Not from the fixture that fails on page errors: these clients report every failure.
    page = chromium.new_page()
    page.route("**/npm/**", serve_package)
    page.goto(f"{services['EventSource'].url}/blank")
    script = (HERE / "clients" / "behaviour-in-browser.js").read_text()
    with ExitStack() as stack:
        for client in IN_NODE:
            urls = services[client].urls
            process = subprocess.Popen(
                [node, HERE / "clients" / "behaviour-in-node.mjs", client, *urls],
                start_new_session=True,
            )
            stack.callback(end, process, 5)
        for client in IN_BROWSER:
            urls = services[client].urls
            page.evaluate(script, {"client": client, "urls": urls, "npm": "/npm"})
        page.wait_for_function(
            "(end) => performance.now() > end",
            arg=page.evaluate("performance.now()") + 1000 * WINDOW_SECONDS,
            timeout=2000 * WINDOW_SECONDS,
        )
        page.close()
    behaviour = {client: service.row for client, service in services.items()}
    assert behaviour == rows_in_the_guide(), behaviour


def rows_in_the_guide() -> dict[str, list[str]]:
    guide = (REPOSITORY / "docs" / "guide-frontend.md").read_text()
    section = guide.partition("## Other clients\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return {name_in(row[0]): row[1:] for row in cells if not row[0].startswith("-")}


def name_in(cell: str) -> str:
    found = re.search(r"`([^`]+)`", cell)
    assert found is not None, cell
    return found[1]
