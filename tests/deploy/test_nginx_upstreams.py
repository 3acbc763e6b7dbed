"""The instance that nginx chooses, the next one it tries, and the calls it must not repeat."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.deploy.conftest import MakeNginx
from tests.support.service_server import ServiceServer
from tests.support.strange_instance import StrangeInstance
from tests.support.tls_sse_client import Http2SseClient, TlsSseClient
from tests.support.waiting import wait_until

pytestmark = pytest.mark.nginx


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_change_that_may_have_been_made_is_not_sent_to_another_instance(
    strange_instance: Callable[[int], StrangeInstance], make_nginx: MakeNginx, method: str
) -> None:
    one, other = strange_instance(0), strange_instance(0)
    nginx = make_nginx(one, other)
    nginx.start()
    answer = nginx.request(method, "/api/orders/ord-1", json={"status": "InProgress"})
    assert answer.status_code == 502
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(one.asked + other.asked) == 1


def test_a_worker_that_dies_does_not_take_its_instance_out_of_service(
    strange_instance: Callable[[int], StrangeInstance], make_nginx: MakeNginx
) -> None:
    """Its current call fails. The instance has other workers and still gets calls."""
    one, other = strange_instance(0), strange_instance(0)
    nginx = make_nginx(one, other)
    nginx.start()
    for _ in range(8):
        nginx.request("PATCH", "/api/orders/ord-1", json={"status": "InProgress"})
    assert len(one.asked + other.asked) == 8


def test_a_change_goes_to_another_instance_if_one_is_not_running(
    strange_instance: Callable[[int], StrangeInstance], make_nginx: MakeNginx
) -> None:
    class Absent:
        port = 9  # discard: no server listens there

    running = strange_instance(200)
    nginx = make_nginx(Absent(), running)
    nginx.start()
    for _ in range(4):
        assert nginx.request("PATCH", "/api/orders/ord-1", json={}).status_code == 200
    assert len(running.asked) == 4


def test_a_read_is_repeated_at_another_instance(
    strange_instance: Callable[[int], StrangeInstance], make_nginx: MakeNginx
) -> None:
    one, other = strange_instance(0), strange_instance(200)
    nginx = make_nginx(one, other)
    nginx.start()
    for _ in range(4):
        assert nginx.get("/api/waiters/anna/floor").status_code == 200


@pytest.mark.parametrize("trouble", [503, 0], ids=["full-or-stopping", "killed"])
def test_a_stream_is_opened_at_the_instance_with_fewer_connections(
    standing_server: ServiceServer,
    strange_instance: Callable[[int], StrangeInstance],
    make_nginx: MakeNginx,
    trouble: int,
) -> None:
    refusing = strange_instance(trouble)
    nginx = make_nginx(refusing, standing_server)
    nginx.start()
    token = standing_server.token("waiter", "anna")
    for _ in range(4):
        url = f"{nginx.url}/sse/waiter/anna"
        with TlsSseClient(url, tls=nginx.tls("http/1.1"), token=token) as client:
            client.next("connection")
    assert refusing.asked, "least_conn prefers the instance without connections"


def test_a_refusal_by_all_instances_takes_none_of_them_out_of_service(
    strange_instance: Callable[[int], StrangeInstance], make_nginx: MakeNginx
) -> None:
    """While Redis is unavailable, each instance answers 503 with Retry-After.

    nginx must not conclude that all are dead and answer in their place.
    """
    one, other = strange_instance(503), strange_instance(503)
    nginx = make_nginx(one, other)
    nginx.start()
    for _ in range(6):
        answer = nginx.get("/sse/waiter/anna")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert len(one.asked) == len(other.asked) == 6


def test_a_stream_survives_a_reload_of_nginx(
    standing_server: ServiceServer, make_nginx: MakeNginx
) -> None:
    nginx = make_nginx(standing_server)
    nginx.start()
    token = standing_server.token("waiter", "anna")
    url = f"{nginx.url}/sse/waiter/anna"
    service = standing_server.service
    order = service.place_order("table-7", [{"name": "Tea", "quantity": 1}])
    with (
        Http2SseClient(url, tls=nginx.tls("h2"), token=token) as new,
        TlsSseClient(url, tls=nginx.tls("http/1.1"), token=token) as old,
    ):
        for client in (new, old):
            client.next("connection")
        before = set(nginx.worker_pids)
        nginx.reload()
        # The connection is told to close after its streams, and is not cut off.
        wait_until(lambda: new.is_told_to_leave)
        service.update_order_status(order.id, "InProgress")
        for client in (new, old):
            while client.next("order_update").data["status"] != "InProgress":
                pass
            assert not client.has_ended
    # The old worker ends with its last stream.
    wait_until(lambda: not before & set(nginx.worker_pids))


def test_a_stream_cut_by_a_reload_resumes_without_loss(
    standing_server: ServiceServer, make_nginx: MakeNginx
) -> None:
    nginx = make_nginx(standing_server)
    nginx.edit("nginx.conf", "worker_shutdown_timeout 1h;", "worker_shutdown_timeout 1s;")
    nginx.start()
    token = standing_server.token("waiter", "anna")
    url = f"{nginx.url}/sse/waiter/anna"
    service = standing_server.service
    order = service.place_order("table-7", [{"name": "Tea", "quantity": 1}])
    with Http2SseClient(url, tls=nginx.tls("h2"), token=token) as cut:
        cut.next("connection")
        service.update_order_status(order.id, "Acknowledged")
        while cut.next("order_update").data["status"] != "Acknowledged":
            pass
        nginx.reload()
        wait_until(lambda: cut.has_ended, 5)
        place = cut.last_event_id
    service.update_order_status(order.id, "InProgress")
    service.update_order_status(order.id, "Complete")
    with Http2SseClient(url, tls=nginx.tls("h2"), token=token, last_event_id=place) as resumed:
        assert resumed.next("connection").data["resumed"] is True
        heard = [resumed.next("order_update").data["status"] for _ in range(2)]
        assert heard == ["InProgress", "Complete"]
