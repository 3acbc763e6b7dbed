"""Which instance nginx asks, which it asks next, and what it must not ask twice."""

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
def test_change_that_may_have_been_made_is_not_sent_to_another_instance(
    strange_instance: Callable[[int], StrangeInstance], make_nginx: MakeNginx, method: str
) -> None:
    one, other = strange_instance(0), strange_instance(0)
    nginx = make_nginx(one, other)
    nginx.start()
    answer = nginx.request(method, "/api/orders/ord-1", json={"status": "InProgress"})
    assert answer.status_code == 502
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(one.asked + other.asked) == 1


def test_worker_that_dies_does_not_take_its_instance_out(
    strange_instance: Callable[[int], StrangeInstance], make_nginx: MakeNginx
) -> None:
    """What it was at has failed; its instance has other workers, and is asked again."""
    one, other = strange_instance(0), strange_instance(0)
    nginx = make_nginx(one, other)
    nginx.start()
    for _ in range(8):
        nginx.request("PATCH", "/api/orders/ord-1", json={"status": "InProgress"})
    assert len(one.asked + other.asked) == 8


def test_change_goes_elsewhere_when_an_instance_is_not_there(
    strange_instance: Callable[[int], StrangeInstance], make_nginx: MakeNginx
) -> None:
    class Nobody:
        port = 9  # discard: nobody listens there

    somebody = strange_instance(200)
    nginx = make_nginx(Nobody(), somebody)
    nginx.start()
    for _ in range(4):
        assert nginx.request("PATCH", "/api/orders/ord-1", json={}).status_code == 200
    assert len(somebody.asked) == 4


def test_question_is_asked_again_elsewhere(
    strange_instance: Callable[[int], StrangeInstance], make_nginx: MakeNginx
) -> None:
    one, other = strange_instance(0), strange_instance(200)
    nginx = make_nginx(one, other)
    nginx.start()
    for _ in range(4):
        assert nginx.get("/api/waiters/anna/floor").status_code == 200


@pytest.mark.parametrize("trouble", [503, 0], ids=["full-or-stopping", "killed"])
def test_stream_is_opened_where_there_is_room(
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
    assert refusing.asked, "least_conn prefers whom nothing holds"


def test_refusal_of_all_instances_takes_none_of_them_out(
    strange_instance: Callable[[int], StrangeInstance], make_nginx: MakeNginx
) -> None:
    """While Redis is away each says 503, and when to come back.

    nginx must not then believe that all are dead, and answer in their place.
    """
    one, other = strange_instance(503), strange_instance(503)
    nginx = make_nginx(one, other)
    nginx.start()
    for _ in range(6):
        answer = nginx.get("/sse/waiter/anna")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert len(one.asked) == len(other.asked) == 6


def test_stream_lives_on_over_a_reload_of_nginx(
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
        # Told to go elsewhere with what comes next, and not cut off.
        wait_until(lambda: new.is_told_to_leave)
        service.update_order_status(order.id, "InProgress")
        for client in (new, old):
            while client.next("order_update").data["status"] != "InProgress":
                pass
            assert not client.has_ended
    # With its last stream the old worker ends, too.
    wait_until(lambda: not before & set(nginx.worker_pids))


def test_stream_cut_by_a_reload_resumes_without_loss(
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
