"""A port that is in use or not permitted is named in one sentence with the remedy."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator

import pytest

from runtime.http.port import require_port
from runtime.settings import SettingsError
from tests.support.programs import free_port
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_a_free_port_is_accepted() -> None:
    require_port("127.0.0.1", free_port())


def test_port_in_use_is_named_with_the_remedy(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    with pytest.raises(SettingsError, match=f"port {port} of 127.0.0.1 is in use.* PORT="):
        require_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "nobody.invalid"])
def test_a_host_that_is_not_on_this_machine_is_named(host: str) -> None:
    with pytest.raises(SettingsError, match=f"HOST is '{host}', but must be an address"):
        require_port(host, free_port())


def test_a_privileged_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(socket.socket):
        """The kernel's answer to a user who is not root; the tests may run as root."""

        def bind(self, _address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("socket.socket", Refusing)
    with pytest.raises(SettingsError, match=r"port 80 of .* may not be used by this user"):
        require_port("127.0.0.1", 80)


def test_the_server_reports_once_that_its_port_is_in_use(
    start_server: Callable[..., ServiceServer], taken: socket.socket
) -> None:
    server = start_server(start=False)
    server.expected_errors += ["is in use"]
    server.env["PORT"] = str(taken.getsockname()[1])
    server.start(wait=False)

    assert server.wait_exit() == 1
    assert server.log.count("in use") == 1
    assert "The service cannot start: port" in server.log
    assert "Traceback" not in server.log
    server.kill()  # it has ended, with an exit code other than 0


def test_server_waits_for_a_port_that_is_being_released(
    start_server: Callable[..., ServiceServer],
) -> None:
    server = start_server(start=False)
    with socket.create_server(("127.0.0.1", server.port)):
        server.start(wait=False)
        wait_until(lambda: "Starting gunicorn" in server.log_so_far, 20)
    server.wait_healthy()
    assert "in use" not in server.log
