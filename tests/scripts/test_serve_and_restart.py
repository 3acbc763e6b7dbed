"""`make dev` serves, and serves the new code when a source file changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.serve_and_restart import ROOMS
from tests.support.programs import REPOSITORY
from tests.support.service_server import ServiceServer
from tests.support.sse_client import SseClient
from tests.support.waiting import wait_until
from waiter_service import __version__

STREAM = "/sse/session/table-7"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the service's code, which a test may change."""
    copy = tmp_path / "code"
    for room in (*ROOMS, "scripts"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / room, copy / room, ignore=ignored)
    for file in REPOSITORY.glob("*.py"):
        shutil.copy(file, copy)
    return copy


@pytest.fixture
def server(code: Path, start_server: Callable[..., ServiceServer]) -> ServiceServer:
    server = start_server(start=False)
    server.command = ["scripts.serve_and_restart"]
    server.code = code
    server.start()
    return server


def release_of(server: ServiceServer) -> str:
    return str(server.get("/sse/health").json()["version"])


def put_version(code: Path, version: str) -> None:
    file = code / "waiter_service" / "__init__.py"
    text = file.read_text()
    file.write_text(text.replace(text.split("__version__ = ")[1].splitlines()[0], version))


def test_a_changed_file_is_served_and_streams_resume(server: ServiceServer, code: Path) -> None:
    assert release_of(server) == __version__
    token = server.token("customer", "table-7")
    with SseClient(server.url + STREAM, token=token) as before:
        before.next("connection")
        put_version(code, '"9.9.9"')
        assert before.next("closing", 20).data["reconnect"] is True
    wait_until(lambda: release_of(server) == "9.9.9", 20)

    with SseClient(server.url + STREAM, token=token, last_event_id=before.last_event_id) as after:
        assert after.next("connection").data["resumed"] is True


def test_the_server_starts_again_once_a_syntax_error_is_fixed(
    server: ServiceServer, code: Path
) -> None:
    server.expected_errors += ["SyntaxError", "exited with code 3", "Shutting down", "to boot"]
    put_version(code, '"unclosed')
    wait_until(lambda: "starts again when a file changes" in server.log, 20)
    put_version(code, '"9.9.9"')
    wait_until(lambda: release_of(server) == "9.9.9", 20)
