"""One bearer's or one address's calls are limited, whichever way they come in."""

from __future__ import annotations

from collections.abc import Callable

import requests

from tests.streams.origins import LISTED
from tests.support.crowd import Crowd
from tests.support.service_server import ServiceServer


def assert_too_many(answer: requests.Response, code: str = "too_many_calls") -> None:
    assert answer.status_code == 429
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["code"] == code


def test_calls_are_limited_by_bearer_and_by_address(
    start_server: Callable[..., ServiceServer],
) -> None:
    server = start_server(
        GUEST_CALLS_PER_MINUTE=3,
        STAFF_CALLS_PER_MINUTE=4,
        FAILED_CALLS_PER_MINUTE=2,
        SSE_OPENS_PER_MINUTE=2,
        CORS_ORIGINS=LISTED,
    )
    guest, anna = server.token("customer", "table-7"), server.token("waiter", "anna")
    # Another token of the same bearer counts with the first.
    for token in (guest, server.token("customer", "table-7"), guest):
        assert server.get("/api/sessions/table-7", token=token).ok
    assert_too_many(server.get("/api/sessions/table-7", token=guest))
    assert_too_many(server.post("/sse/token", token=guest))
    assert server.get("/api/sessions/table-5", token=server.token("customer", "table-5")).ok

    for _ in range(4):
        assert server.post("/sse/token", token=anna).ok
    assert_too_many(server.get("/api/waiters/anna/floor", token=anna))

    # Both ways in count the same streams.
    for headers in ({}, {"Origin": LISTED}):
        server.listen_session("table-7", headers=headers)
    for headers in ({}, {"Origin": LISTED}):
        refused = server.get("/sse/session/table-7", token=guest, headers=headers)
        assert_too_many(refused, "too_many_opens")
    server.listen_session("table-5")

    # Without a good token it is the address; a good one is not concerned.
    assert server.get("/api/sessions/table-7").status_code == 401
    assert server.get("/sse/session/table-7", token="nonsense").status_code == 401
    for path in ("/api/sessions/table-7", "/sse/session/table-7"):
        assert_too_many(server.get(path))
    assert server.get("/api/sessions/table-5", token=server.token("customer", "table-5")).ok
    assert server.get("/sse/health").ok


def test_a_crowd_that_comes_back_through_one_address_is_let_in(server: ServiceServer) -> None:
    """As after a restart: everybody behind one NAT or proxy, each with an access of their own."""
    with Crowd(server.url) as crowd:
        crowd.gather(
            [
                (f"/sse/session/guest-{n}", server.token("customer", f"guest-{n}"), None)
                for n in range(1500)
            ]
        )
    for n in range(50):
        assert server.post("/sse/token", token=server.token("customer", f"guest-{n}")).ok
