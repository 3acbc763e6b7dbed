"""Nobody of one venue reaches anything of another: by route, stream, cursor, key or revocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gevent
import pytest
from flask import Flask
from sqlalchemy import select, text

from api.operations import OPERATIONS
from notifications.channels import KINDS
from tests.api.calling import Caller
from tests.api.examples import BODIES, UNKNOWN, path_to
from tests.support.waiting import wait_until
from waiter_service import WaiterService
from waiter_service.store.models import AuditRow, OfferRow, WaiterRow

#: The ids of things in the venue ``north``.
NORTH = {
    "sessionId": "north-7",
    "waiterId": "carla",
    "venueId": "north",
    "requestId": "north-req",
    "orderId": "north-ord",
    "offerId": "north-offer",
    "jti": "1234",
}

#: Who knocks, each of ``main``.
CALLERS = {
    "manager": ("manager", "boss"),
    "waiter": ("waiter", "anna"),
    "kitchen": ("kitchen", "main"),
    "display": ("display", "main"),
    "guest": ("customer", "table-7"),
    "service": ("service", "till"),
}

NAMING_SOMETHING = [each for each in OPERATIONS if "{" in each.path and "{code}" not in each.path]


@pytest.fixture(autouse=True)
def _north(service: WaiterService) -> None:
    """The venue ``north``: a table 7, which carla serves, and which she offers to dora."""
    service.add_venue("north")
    for waiter_id in ("carla", "dora"):
        service.add_waiter(waiter_id, waiter_id.title(), venue_id="north")
    service.open_session(7, "carla", session_id=NORTH["sessionId"])
    service.create_request("north-7", "water", request_id=NORTH["requestId"])
    service.place_order("north-7", [{"name": "Tea", "quantity": 1}], order_id=NORTH["orderId"])
    service.offer_sessions(from_waiter_id="carla", to_waiter_id="dora")
    with service.database.writing() as orm:
        orm.execute(text("UPDATE offers SET id = 'north-offer'"))


def call(caller: Caller, operation: Any, ids: Mapping[str, str]) -> tuple[int, str]:
    """Return the answer with its ids made alike."""
    path = path_to(operation, ids)
    answer = caller.call(operation.method, path, json=BODIES.get(operation.name))
    body = answer.get_data(as_text=True)
    for thing_id in sorted(set(ids.values()), key=len, reverse=True):
        body = body.replace(thing_id, "ID")
    return answer.status_code, body


def state(service: WaiterService) -> list[Any]:
    with service.database.reading() as orm:
        return [
            sorted(map(tuple, orm.execute(select(*table.__table__.columns)).all()), key=repr)
            for table in (AuditRow, OfferRow, WaiterRow)
        ]


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("operation", NAMING_SOMETHING, ids=lambda each: each.name)
def test_thing_of_another_venue_looks_like_one_that_does_not_exist(
    caller: Callable[..., Caller], service: WaiterService, operation: Any, who: str
) -> None:
    before = state(service)
    bearer = caller(*CALLERS[who])
    foreign, unknown = call(bearer, operation, NORTH), call(bearer, operation, UNKNOWN)
    assert foreign == unknown
    assert foreign[0] in (403, 404), foreign
    assert state(service) == before


def test_everything_that_is_named_exists(caller: Callable[..., Caller]) -> None:
    """Otherwise the test above would show nothing."""
    boss = caller("manager", "boss", venue="north")
    for operation in NAMING_SOMETHING:
        if operation.method == "GET" and "join" not in operation.name:
            status, body = call(boss, operation, NORTH)
            assert status == 200, (operation.name, body)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("who", CALLERS)
def test_stream_of_another_venue_is_forbidden(
    caller: Callable[..., Caller], kind: str, who: str
) -> None:
    of_kind = {"session": "north-7", "waiter": "carla", "floor": "north", "kitchen": "north"}
    path = f"/sse/{kind}/{of_kind[kind]}"
    bearer = caller(*CALLERS[who])
    assert bearer.get(path, headers={"Last-Event-ID": "abc-1"}).status_code == 403
    assert bearer.post("/sse/token", {"stream": path}).status_code == 403


@pytest.fixture
def bosses(caller: Callable[..., Caller]) -> dict[str, Caller]:
    """Managers with one id in two venues, who are two people."""
    return {"main": caller("manager", "boss"), "north": caller("manager", "boss", venue="north")}


@pytest.mark.parametrize(
    "operation",
    [each for each in OPERATIONS if each.is_paged and "{" not in each.path],
    ids=lambda each: each.name,
)
def test_cursor_of_one_venue_shows_another_only_its_own(
    bosses: dict[str, Caller], service: WaiterService, operation: Any
) -> None:
    service.create_request("table-5", "water")
    service.place_order("table-5", [{"name": "Tea", "quantity": 1}])
    service.offer_sessions(from_waiter_id="anna", to_waiter_id="ben", session_ids=["table-5"])
    service.offer_sessions(from_waiter_id="ben", to_waiter_id="anna")
    path = path_to(operation, {})
    page: Any = bosses["main"].get(f"{path}?limit=1").json
    query = {"cursor": page["next"]} if page["next"] else {}
    shown = bosses["north"].get(path, query_string=query)
    assert shown.status_code == 200
    for of_main in ("anna", "ben", "table-5", "table-7", "table-9", "main"):
        assert f'"{of_main}"' not in shown.text


def test_idempotency_key_counts_for_each_venue_by_itself(bosses: dict[str, Caller]) -> None:
    for venue, waiter_id in (("main", "anna"), ("north", "carla")):
        answer: Any = bosses[venue].post(
            "/api/sessions",
            {"tableNumber": 33, "waiterId": waiter_id},
            headers={"Idempotency-Key": "the-same"},
        )
        assert answer.status_code == 201, answer.text
        opened = answer.json["session"]
        assert (opened["venueId"], opened["waiterId"]) == (venue, waiter_id)


def test_access_withdrawn_in_one_venue_stays_in_another(
    app: Flask, bosses: dict[str, Caller]
) -> None:
    app.extensions["revocations"].revoke_manager("boss")

    def status(venue: str) -> int:
        gevent.sleep(0.02)  # in which the process looks for what was revoked
        return bosses[venue].get(f"/api/venues/{venue}/floor").status_code

    wait_until(lambda: status("main") == 401)
    assert status("north") == 200
