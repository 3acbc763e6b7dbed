"""Streams through nginx, over HTTP/2 as in browsers, and over HTTP/1.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.deploy.conftest import MakeNginx
from tests.support.nginx_server import NginxServer
from tests.support.service_server import ServiceServer
from tests.support.sse_client import SseClient, SseRefused
from tests.support.tls_sse_client import Http2SseClient, TlsSseClient
from tests.support.waiting import wait_until

pytestmark = pytest.mark.nginx

Listen = Callable[..., list[SseClient]]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Open waiter anna's stream through nginx, over HTTP/2 and over HTTP/1.1."""
    with ExitStack() as stack:

        def open_streams(
            nginx: NginxServer, path: str = "/sse/waiter/anna", **kwargs: object
        ) -> list[SseClient]:
            clients: list[SseClient] = [
                kind(nginx.url + path, tls=nginx.tls(protocol), **kwargs)
                for kind, protocol in ((Http2SseClient, "h2"), (TlsSseClient, "http/1.1"))
            ]
            for client in clients:
                stack.callback(client.close)
            for client in clients:
                client.next("connection")
            return clients

        yield open_streams


@pytest.fixture
def anna(standing_server: ServiceServer) -> str:
    """Waiter anna's token."""
    return standing_server.token("waiter", "anna")


@pytest.fixture
def order_id(standing_server: ServiceServer) -> str:
    """A new order at one of anna's tables."""
    placed = standing_server.service.place_order("table-7", [{"name": "Tea", "quantity": 1}])
    return placed.id


def _move(server: ServiceServer, order_id: str, *statuses: str) -> None:
    for status in statuses:
        server.service.update_order_status(order_id, status)


def _expect(client: SseClient, order_id: str, *statuses: str) -> None:
    """Assert that these are the order's next statuses; ignore other events."""
    for status in statuses:
        heard = client.next("order_update").data
        # The new order may have been announced before or after the stream was opened.
        while heard["orderId"] != order_id or heard["status"] == "New":
            heard = client.next("order_update").data
        assert heard["status"] == status


def test_nginx_does_not_buffer_an_event_until_the_next_one(
    standing_server: ServiceServer,
    standing_nginx: NginxServer,
    listen: Listen,
    anna: str,
    order_id: str,
) -> None:
    clients = listen(standing_nginx, token=anna)
    for status in ("Acknowledged", "InProgress", "Complete"):
        _move(standing_server, order_id, status)
        for client in clients:
            _expect(client, order_id, status)


def test_a_stream_is_not_compressed_and_reveals_nothing_internal(
    standing_nginx: NginxServer, listen: Listen, anna: str
) -> None:
    for client in listen(standing_nginx, token=anna, headers={"Accept-Encoding": "gzip, br"}):
        assert "content-encoding" not in client.headers
        assert "x-accel-buffering" not in client.headers
        assert client.headers["server"] == "nginx"
        assert client.headers["strict-transport-security"].startswith("max-age=")
        assert client.headers["cache-control"] == "no-store, no-transform"


@pytest.mark.parametrize("leave", [SseClient.close, SseClient.abort])
def test_a_vanished_client_is_noticed_at_once(
    standing_server: ServiceServer,
    standing_nginx: NginxServer,
    listen: Listen,
    anna: str,
    leave: Callable[[SseClient], None],
) -> None:
    wait_until(lambda: standing_server.open_streams() == 0)
    clients = listen(standing_nginx, token=anna)
    assert standing_server.open_streams() == 2
    for client in clients:
        leave(client)
    wait_until(lambda: standing_server.open_streams() == 0, 3)


@pytest.mark.parametrize(("role", "kind"), [("display", "floor"), ("kitchen", "kitchen")])
def test_floor_and_kitchen_are_streams_through_nginx_too(
    standing_server: ServiceServer,
    standing_nginx: NginxServer,
    listen: Listen,
    order_id: str,
    role: str,
    kind: str,
) -> None:
    clients = listen(standing_nginx, f"/sse/{kind}/main", token=standing_server.token(role, "main"))
    assert [client.events[0].data["venueId"] for client in clients] == ["main", "main"]
    _move(standing_server, order_id, "Acknowledged")
    for client in clients:
        _expect(client, order_id, "Acknowledged")


def test_a_client_resumes_after_its_last_event(
    standing_server: ServiceServer,
    standing_nginx: NginxServer,
    listen: Listen,
    anna: str,
    order_id: str,
) -> None:
    clients = listen(standing_nginx, token=anna)
    _move(standing_server, order_id, "Acknowledged")
    for client in clients:
        _expect(client, order_id, "Acknowledged")
    place = clients[0].last_event_id
    for client in clients:
        client.close()
    wait_until(lambda: standing_server.open_streams() == 0)
    _move(standing_server, order_id, "InProgress", "Complete")

    for client in listen(standing_nginx, token=anna, last_event_id=place):
        assert client.events[0].data["resumed"] is True
        _expect(client, order_id, "InProgress", "Complete")


def test_a_refusal_reaches_the_client_unchanged(
    standing_server: ServiceServer, standing_nginx: NginxServer, listen: Listen
) -> None:
    with pytest.raises(SseRefused) as refusal:
        listen(standing_nginx, token=standing_server.token("waiter", "ben"))
    assert refusal.value.status == 403
    assert refusal.value.headers["content-type"] == "application/problem+json"


def test_a_silence_beyond_nginxs_timeouts_ends_no_stream(
    start_server: Callable[..., ServiceServer], make_nginx: MakeNginx, listen: Listen
) -> None:
    server = start_server(SSE_HEARTBEAT_SECONDS=3)
    nginx = make_nginx(server)
    # Neither limit may count while a stream is merely idle.
    nginx.edit("nginx.conf", "send_timeout 60s;", "send_timeout 1s;")
    nginx.edit("nginx.conf", "keepalive_timeout 65s;", "keepalive_timeout 1s;")
    nginx.start()
    clients = listen(nginx, token=server.token("waiter", "anna"))
    for _ in range(2):
        for client in clients:
            client.next("heartbeat")
            assert not client.has_ended


def test_no_token_is_logged_even_in_nginxs_errors(
    start_server: Callable[..., ServiceServer], make_nginx: MakeNginx, listen: Listen
) -> None:
    server = start_server()
    nginx = make_nginx(server)
    nginx.start()
    anna = server.token("waiter", "anna")
    answer = nginx.request("POST", "/sse/token", token=anna)
    path = f"/sse/waiter/anna?token={answer.json()['token']}"
    for client in listen(nginx, path):
        client.close()

    server.kill()
    for how in ({"path": path}, {"token": anna}):
        path_now = how.get("path", "/sse/waiter/anna")
        url = nginx.url + path_now
        with TlsSseClient(url, tls=nginx.tls("http/1.1"), token=how.get("token")) as client:
            assert client.next("closing").data["reason"] == "The service did not answer."

    def failures() -> list[dict[str, object]]:
        return [line for line in nginx.requests_logged if line["upstreamStatus"] == "502"]

    wait_until(lambda: len(failures()) == 2)
    for line in failures():
        assert line["path"] == "/sse/waiter/anna"
        assert line["upstream"] == f"127.0.0.1:{server.port}"
    # Without a token in the query, the error log describes what is wrong.
    assert "Connection refused" in nginx.error_log
    for text in (nginx.access_log, nginx.error_log, server.log):
        assert "eyJ" not in text
