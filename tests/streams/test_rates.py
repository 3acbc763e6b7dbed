"""The calls of one bearer or one address are limited, by door and blueprint together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.streams.origins import LISTED
from tests.support.crowd import Crowd
from tests.support.service_server import ServiceServer
from tests.support.tables import Table
from tests.support.waiting import wait_until


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
    # Another token of the same bearer counts together with the first.
    for token in (guest, server.token("customer", "table-7"), guest):
        assert server.get("/api/sessions/table-7", token=token).ok
    assert_too_many(server.get("/api/sessions/table-7", token=guest))
    assert_too_many(server.post("/sse/token", token=guest))
    assert server.get("/api/sessions/table-5", token=server.token("customer", "table-5")).ok

    for _ in range(4):
        assert server.post("/sse/token", token=anna).ok
    assert_too_many(server.get("/api/waiters/anna/floor", token=anna))

    # Door and blueprint count the same streams.
    for headers in ({}, {"Origin": LISTED}):
        server.listen_session("table-7", headers=headers)
    for headers in ({}, {"Origin": LISTED}):
        refused = server.get("/sse/session/table-7", token=guest, headers=headers)
        assert_too_many(refused, "too_many_opens")
    server.listen_session("table-5")

    # Calls without a good token count by address. Calls with a good one are not affected.
    assert server.get("/api/sessions/table-7").status_code == 401
    assert server.get("/sse/session/table-7", token="nonsense").status_code == 401
    for path in ("/api/sessions/table-7", "/sse/session/table-7"):
        assert_too_many(server.get(path))
    assert server.get("/api/sessions/table-5", token=server.token("customer", "table-5")).ok
    assert server.get("/sse/health").ok


def test_one_venue_uses_up_neither_the_calls_nor_the_streams_of_another(
    start_server: Callable[..., ServiceServer],
) -> None:
    server = start_server(
        VENUE_CALLS_PER_MINUTE=4, VENUE_CHANGES_PER_MINUTE=1, SSE_MAX_STREAMS_PER_VENUE=2
    )
    anna, guest = server.token("waiter", "anna"), server.token("customer", "table-7")
    # A single restaurant has no such limits.
    for _ in range(6):
        assert server.get("/api/sessions/table-7", token=guest).ok
    streams = [server.listen_session("table-7") for _ in range(3)]
    server.service.add_venue("north")
    server.service.add_waiter("carla", "Carla", venue_id="north")
    server.service.open_session(7, "carla", session_id="north-7")
    carla = server.token("waiter", "carla", venue="north")
    # A token that names the venue makes the process look for it at once.
    assert server.get("/api/sessions/north-7", token=carla).ok

    # The guests and the staff of a venue count together.
    wish = {"kind": "candles"}
    assert server.post("/api/sessions/table-7/requests", token=guest, json=wish).ok
    refused = server.post("/api/sessions/table-7/requests", token=anna, json=wish)
    assert_too_many(refused, "too_many_venue_changes")
    for token in (guest, anna):
        assert server.get("/api/sessions/table-7", token=token).ok
    assert_too_many(server.get("/api/sessions/table-7", token=guest), "too_many_venue_calls")
    for path in ("/sse/session/table-7", "/sse/waiter/anna"):
        token = guest if "session" in path else anna
        assert_too_many(server.get(path, token=token), "venue_full")
    assert not any(stream.has_ended for stream in streams)

    # The other venue is served, and so is a manager of both.
    assert server.post("/api/sessions/north-7/requests", token=carla, json=wish).ok
    chief = server.token("manager", "chief", venue="*")
    for _ in range(6):
        assert server.get("/api/sessions/table-7", token=chief).ok
    server.listen_waiter("carla", token=carla)


def test_crowd_that_reconnects_through_one_address_is_admitted(server: ServiceServer) -> None:
    """After a restart, many bearers reconnect from behind one NAT or proxy."""
    with Crowd(server.url) as crowd:
        crowd.gather(
            [
                (f"/sse/session/guest-{n}", server.token("customer", f"guest-{n}"), None)
                for n in range(1500)
            ]
        )
    for n in range(50):
        assert server.post("/sse/token", token=server.token("customer", f"guest-{n}")).ok


def test_guest_who_asks_and_cancels_endlessly_is_stopped_before_the_waiter_misses_an_event(
    table: Table,
) -> None:
    house, guest = table.house, table.house.token("customer", table.session_id)
    phone = table.listen_waiter()
    place = phone.last_event_id
    phone.close()

    def ask_and_cancel() -> Iterator[requests.Response]:
        """Make enough changes to push out the whole history."""
        for _ in range(600):
            asked = house.post(
                f"/api/sessions/{table.session_id}/requests", token=guest, json={"kind": "candles"}
            )
            yield asked
            yield house.request(
                "PATCH",
                f"/api/requests/{asked.json()['id']}",
                token=guest,
                json={"status": "Cancelled"},
            )

    made = list(itertools.takewhile(lambda answer: answer.ok, ask_and_cancel()))
    assert len(made) == 60
    refused = house.post(
        f"/api/sessions/{table.session_id}/requests", token=guest, json={"kind": "candles"}
    )
    assert_too_many(refused, "too_many_changes")
    # Everything else continues: the guest reads, the waiter works, other tables order.
    assert house.get(f"/api/sessions/{table.session_id}", token=guest).ok
    assert house.post("/sse/token", token=guest).ok
    answer = house.request(
        "PATCH",
        f"/api/orders/{table.order_id}",
        token=house.token("waiter", table.waiter_id),
        json={"status": "InProgress"},
    )
    assert answer.ok, answer.text

    awake = table.listen_waiter(last_event_id=place)
    awake.next("order_update")
    assert awake.events[0].data["resumed"] is True
    assert len(awake.of_type("request_update")) == 60


def test_table_of_twenty_guests_who_order_at_once_is_served(table: Table) -> None:
    house, waiter = table.house, table.house.token("waiter", table.waiter_id)
    code = house.post(f"/api/sessions/{table.session_id}/join-code", token=waiter).json()
    floor = table.listen_waiter()

    def dine(_number: int) -> list[int]:
        token = house.post("/api/join", json={"code": code["joinCode"]}).json()["token"]
        wishes: list[tuple[str, dict[str, object]]] = [
            ("orders", {"items": [{"name": "Margherita", "quantity": 1}]}),
            ("orders", {"items": [{"name": "Lemonade", "quantity": 2}]}),
            ("requests", {"kind": "bread"}),
        ]
        return [
            house.post(
                f"/api/sessions/{table.session_id}/{wish}", token=token, json=body
            ).status_code
            for wish, body in wishes
        ]

    with ThreadPoolExecutor(20) as guests:
        answers = list(guests.map(dine, range(20)))
    assert [each[:2] for each in answers] == [[201, 201]] * 20
    # The bread is requested once, by the first guest who asked.
    assert sorted(each[2] for each in answers) == [200] * 19 + [201]
    wait_until(lambda: len(floor.of_type("order_update")) == 40)
