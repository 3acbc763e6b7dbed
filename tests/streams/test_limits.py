"""How many streams may open, and how fast. A full server still answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.crowd import Crowd
from tests.support.service_server import ServiceServer, copy_sqlite
from tests.support.shared_server import SharedServer
from tests.support.sse_client import SseClient, SseRefused
from tests.support.waiting import wait_until

PER_PRINCIPAL, PER_WORKER = 3, 30


@pytest.fixture(scope="module")
def _server(
    seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory, fast_connect: str
) -> Iterator[SharedServer]:
    directory = tmp_path_factory.mktemp("server")
    server = SharedServer(
        directory,
        copy_sqlite(seeded_sqlite, directory),
        SSE_MAX_STREAMS_PER_PRINCIPAL=PER_PRINCIPAL,
        SSE_MAX_STREAMS_PER_WORKER=PER_WORKER,
        SSE_FAST_CONNECT=fast_connect,
    )
    server.start()
    yield server
    server.kill()
    server.close()


@pytest.fixture
def server(_server: SharedServer) -> Iterator[SharedServer]:
    with _server.one_test():
        yield _server


def guests(server: ServiceServer, number: int) -> list[tuple[str, str, None]]:
    return [
        (f"/sse/session/guest-{n}", server.token("customer", f"guest-{n}"), None)
        for n in range(number)
    ]


def refusal(server: ServiceServer, waiter_id: str) -> SseRefused:
    with pytest.raises(SseRefused) as caught:
        server.listen_waiter(waiter_id, headers={"X-Refusals": "status"})
    return caught.value


def assert_tells_when_to_retry(refused: SseRefused, status: int) -> None:
    assert refused.status == status
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.problem["status"] == status


def assert_is_refused_in_band(server: ServiceServer, headers: dict[str, str], code: str) -> None:
    """Assert that a stream opens, gives the reason and ends, as browsers need it."""
    token = server.token("waiter", "anna")
    with SseClient(f"{server.url}/sse/waiter/anna", token=token, headers=headers) as client:
        closing = client.next("closing").data
        wait_until(lambda: client.has_ended)
    assert closing["code"] == code
    assert closing["reconnect"] is True
    assert closing["reconnectInMs"] == client.retry_ms
    assert 5000 <= closing["reconnectInMs"] <= 10_000


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "https://elsewhere.example.com"}], ids=["door", "blueprint"]
)
def test_event_stream_client_is_refused_in_band_by_door_and_blueprint(
    server: SharedServer, headers: dict[str, str]
) -> None:
    for _ in range(PER_PRINCIPAL):
        server.listen_waiter("anna")
    assert_is_refused_in_band(server, headers, "too_many_streams")


def test_untrusted_peer_is_refused_in_band_even_if_it_asks_for_a_status(
    start_own: Callable[..., ServiceServer],
) -> None:
    server = start_own(SSE_MAX_STREAMS_PER_WORKER=1, FORWARDED_ALLOW_IPS="192.0.2.0/24")
    server.listen_waiter("ben")
    for headers in ({}, {"Origin": "https://elsewhere.example.com"}):
        wish = headers | {"X-Refusals": "status"}
        assert_is_refused_in_band(server, wish, "server_full")


def test_limits_hold_and_a_full_server_still_answers(server: ServiceServer) -> None:
    # A bearer may open a limited number of streams, and other bearers are not affected.
    annas = [server.listen_waiter("anna") for _ in range(PER_PRINCIPAL)]
    assert_tells_when_to_retry(refusal(server, "anna"), 429)
    ben = server.listen_waiter("ben")
    annas.pop().close()
    wait_until(lambda: server.open_streams() == PER_PRINCIPAL)
    annas.append(server.listen_waiter("anna"))

    # The worker may open a limited number of streams, and its other work continues.
    with Crowd(server.url) as crowd:
        crowd.gather(guests(server, PER_WORKER - PER_PRINCIPAL - 1))
        assert server.open_streams() == PER_WORKER
        assert_tells_when_to_retry(refusal(server, "carl"), 503)
        health = server.get("/sse/health")
        assert health.status_code == 200
        assert health.json()["activeConnections"]["total"] == PER_WORKER
        server.service.update_order_status("ord-1", "InProgress")
        annas[0].next("order_update")
        assert server.get("/api/waiters/anna/floor", token=server.token("waiter", "anna")).ok
        assert not ben.has_ended

    # A stream that ends makes room.
    wait_until(lambda: server.open_streams() == PER_PRINCIPAL + 1)
    server.listen_waiter("carl")
