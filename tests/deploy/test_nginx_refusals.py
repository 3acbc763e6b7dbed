"""If no instance accepts a stream, nginx refuses in-band, so that browsers reconnect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.deploy.conftest import MakeNginx
from tests.support.nginx_server import NginxServer
from tests.support.service_server import ServiceServer
from tests.support.sse_parser import SseEvent, SseParser
from tests.support.strange_instance import StrangeInstance
from tests.support.tls_sse_client import Http2SseClient, TlsSseClient
from tests.support.waiting import wait_until

pytestmark = pytest.mark.nginx

STREAM = "/sse/waiter/anna"
BROWSER = {"Accept": "text/event-stream", "Origin": "https://elsewhere.example.com"}

StrangeInstances = Callable[..., StrangeInstance]


def refusal(nginx: NginxServer, path: str = STREAM, **headers: str) -> dict[str, Any]:
    """Return the in-band refusal that a browser gets instead of a stream."""
    answer = nginx.get(path, headers=BROWSER | headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Access-Control-Allow-Origin"] == BROWSER["Origin"]
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Cache-Control"] == "no-store, no-transform"
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    events: list[SseEvent] = []
    retries: list[int] = []
    SseParser(events.append, retries.append).feed(answer.content)
    (event,) = events
    assert event.type == "closing"
    assert event.data["reconnect"] is True
    assert retries == [event.data["reconnectInMs"]]
    return dict(event.data)


def test_a_refusal_by_all_instances_is_sent_in_band_and_logged_with_its_status(
    strange_instance: StrangeInstances, make_nginx: MakeNginx
) -> None:
    says = {"X-Refusal-Code": "server_full", "X-Refusal-Reason": "This server is full."}
    one, other = strange_instance(503, **says), strange_instance(503, **says)
    nginx = make_nginx(one, other)
    nginx.start()
    told = refusal(nginx)
    assert (told["code"], told["reason"]) == ("server_full", "This server is full.")
    # Retry-After plus up to one second.
    assert 7000 <= told["reconnectInMs"] < 8000
    assert len(one.asked) == len(other.asked) == 1
    for heard in one.headers_heard + other.headers_heard:
        assert heard["X-Refusals"] == "status"
    (line,) = wait_until(lambda: [line for line in nginx.requests_logged if line["path"] == STREAM])
    assert (line["status"], line["upstreamStatus"]) == (200, "503, 503")


@pytest.mark.parametrize(
    ("status", "code"), [(0, "no_answer"), (429, "too_many_requests"), (503, "unavailable")]
)
@pytest.mark.parametrize("query", ["", "?token=eyJ.eyJ.x"], ids=["header", "query"])
def test_every_failure_to_open_a_stream_is_sent_to_browsers_in_band(
    strange_instance: StrangeInstances, make_nginx: MakeNginx, status: int, code: str, query: str
) -> None:
    nginx = make_nginx(strange_instance(status))
    nginx.start()
    assert refusal(nginx, STREAM + query)["code"] == code


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("1", 1), ("899", 899), ("0", 5), ("900", 5), ("-1", 5), ("Wed, 21 Oct 2026", 5), ("7x", 5)],
)
def test_invalid_retry_after_values_are_replaced(
    strange_instance: StrangeInstances, make_nginx: MakeNginx, retry_after: str, seconds: int
) -> None:
    nginx = make_nginx(strange_instance(503, **{"Retry-After": retry_after}))
    nginx.start()
    assert refusal(nginx)["reconnectInMs"] // 1000 == seconds


def test_reasons_that_are_not_valid_in_json_are_replaced(
    strange_instance: StrangeInstances, make_nginx: MakeNginx
) -> None:
    says = {"X-Refusal-Code": 'a"b', "X-Refusal-Reason": 'it is "full" \\'}
    nginx = make_nginx(strange_instance(503, **says))
    nginx.start()
    assert refusal(nginx)["code"] == "unavailable"


def test_a_storm_of_browsers_from_one_address_is_refused_in_band(
    standing_server: ServiceServer, make_nginx: MakeNginx
) -> None:
    nginx = make_nginx(standing_server)
    nginx.edit(
        "snippets/restaurant-notifications/stream.conf", "burst=2000 nodelay", "burst=1 nodelay"
    )
    nginx.edit("conf.d/restaurant-notifications.conf", "rate=100r/s", "rate=1r/m")
    nginx.start()
    # A missing or foreign token is final and answered by the status.
    assert [nginx.get(STREAM, headers=BROWSER).status_code for _ in range(2)] == [401, 401]
    told = refusal(nginx)
    assert told["code"] == "too_many_requests"
    assert 5000 <= told["reconnectInMs"] < 6000


@pytest.mark.parametrize("status", [429, 503])
def test_a_client_that_does_not_accept_event_streams_gets_the_status_and_the_problem(
    strange_instance: StrangeInstances, make_nginx: MakeNginx, status: int
) -> None:
    says = {"X-Refusal-Code": "server_full", "X-Refusal-Reason": "This server is full."}
    nginx = make_nginx(strange_instance(status, **says))
    nginx.start()
    answer = nginx.get(STREAM)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "7"
    assert answer.json()["status"] == status
    assert answer.json()["detail"] == "This server is full."
    assert answer.json()["code"] == "server_full"


def test_a_full_services_own_refusal_passes_through_nginx(
    start_server: Callable[..., ServiceServer], make_nginx: MakeNginx
) -> None:
    server = start_server(SSE_MAX_STREAMS_PER_PRINCIPAL=1)
    nginx = make_nginx(server)
    nginx.start()
    anna = server.token("waiter", "anna")
    server.listen_waiter("anna", token=anna)
    url = nginx.url + STREAM
    for kind, protocol in ((Http2SseClient, "h2"), (TlsSseClient, "http/1.1")):
        with kind(url, tls=nginx.tls(protocol), token=anna) as client:
            told = client.next("closing").data
            client.wait_ended()
        assert told["code"] == "too_many_streams"
        assert told["reason"].startswith("There are 1 streams open with this access")
    assert nginx.get(STREAM, token=anna).status_code == 429
    assert nginx.get(STREAM, token=server.token("waiter", "ben")).status_code == 403
