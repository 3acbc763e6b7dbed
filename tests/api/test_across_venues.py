"""Nobody of one venue reaches anything of another: on every route."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import select, text

from api.operations import OPERATIONS
from tests.api.calling import Caller
from tests.api.examples import BODIES, UNKNOWN, path_to
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
    "guest": ("customer", "table-7"),
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
