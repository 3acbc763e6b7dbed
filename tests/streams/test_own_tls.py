"""Streams over gunicorn's own TLS, which cannot be handed over: gunicorn writes every chunk."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.certificates import make_certificate
from tests.support.service_server import ServiceServer, copy_sqlite
from tests.support.tls_sse_client import TlsSseClient
from tests.support.waiting import wait_until


class TlsServer(ServiceServer):
    """The service, reached over HTTPS without a proxy in between."""

    def __init__(self, directory: Path, database_url: str, **env: object) -> None:
        self.certificate, key = directory / "cert.pem", directory / "key.pem"
        make_certificate(self.certificate, key)
        arguments = f"--certfile {self.certificate} --keyfile {key}"
        super().__init__(directory, database_url, GUNICORN_CMD_ARGS=arguments, **env)
        self.url = f"https://localhost:{self.port}"

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return super().request(method, path, verify=str(self.certificate), **kwargs)

    def listen(self, waiter_id: str, last_event_id: str | None = None) -> TlsSseClient:
        client = TlsSseClient(
            f"{self.url}/sse/waiter/{waiter_id}",
            tls=ssl.create_default_context(cafile=str(self.certificate)),
            token=self.token("waiter", waiter_id),
            last_event_id=last_event_id,
        )
        self._clients.append(client)
        client.next("connection")
        return client


@pytest.fixture
def server(seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    directory = tmp_path_factory.mktemp("server")
    server = TlsServer(
        directory,
        copy_sqlite(seeded_sqlite, directory),
        SSE_HEARTBEAT_SECONDS=0.5,
        SSE_DRAIN_SECONDS=0.5,
    )
    server.start()
    yield server
    server.kill()
    server.close()


def test_stream_over_gunicorns_own_tls_works_like_any_other(server: TlsServer) -> None:
    anna, ben = server.listen("anna"), server.listen("ben")
    place = anna.last_event_id
    server.service.update_order_status("ord-1", "Acknowledged")
    assert anna.next("order_update").data["status"] == "Acknowledged"
    anna.next("heartbeat")

    # More events than a mailbox holds, in one turn of the loop.
    [worker] = server.worker_pids
    os.kill(worker, signal.SIGSTOP)
    try:
        for status in ("New", "Acknowledged") * 150:
            server.service.update_order_status("ord-1", status)
    finally:
        os.kill(worker, signal.SIGCONT)
    expected = list(range(2, 303))
    wait_until(lambda: len(anna.of_type("order_update")) == len(expected), 20)
    assert [event.data["version"] for event in anna.of_type("order_update")] == expected
    assert not anna.has_ended

    # Resume from the first place, with a replay longer than a page.
    again = server.listen("anna", last_event_id=place)
    wait_until(lambda: len(again.of_type("order_update")) == len(expected), 20)
    assert [event.data["version"] for event in again.of_type("order_update")] == expected

    # These sockets are not watched, so the next heartbeat finds the vanished clients.
    again.abort()
    ben.abort()
    wait_until(lambda: server.open_streams() == 1, 5)

    os.kill(server.pid, signal.SIGTERM)
    anna.wait_ended(10)
    assert anna.events[-1].data["code"] == "draining"
    assert server.wait_exit(15) == 0
    for trouble in ("SIGKILL", "Worker graceful timeout", " ERROR "):
        assert trouble not in server.log


def test_clients_that_never_begin_tls_are_disconnected(server: TlsServer) -> None:
    wires = [socket.create_connection(("127.0.0.1", server.port), timeout=15) for _ in range(5)]
    wires[0].sendall(b"GET /health/live HTTP/1.1\r\nHost: house\r\n\r\n")  # plain HTTP without TLS
    for wire in wires:
        with wire, suppress(ConnectionError):
            while wire.recv(4096):
                pass
    assert server.get("/health/live").ok
    for trouble in ("Traceback", " ERROR "):
        assert trouble not in server.log
