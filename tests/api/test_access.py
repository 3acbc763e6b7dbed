"""Callers without access are refused and learn nothing."""

import json
import time

import gevent
import jwt
import pytest
from sqlalchemy import text

from api.operations import OPERATIONS
from tests.api.examples import BODIES, FOREIGN, OWN, UNKNOWN, path_to
from tests.support.service_server import SECRET
from tests.support.waiting import wait_until

PROBLEM = "application/problem+json"
STAFF_ONLY = [operation for operation in OPERATIONS if operation.staff_only]
FOR_BEARERS = [operation for operation in OPERATIONS if not operation.is_public]


def call(caller, operation, ids):
    return caller.call(operation.method, path_to(operation, ids), json=BODIES.get(operation.name))


@pytest.fixture
def table_nine(service):
    """The ids of a request, an order and an offer at ben's table 9."""
    service.create_request("table-9", "water", request_id="req-9")
    service.place_order("table-9", [{"name": "Tea", "quantity": 1}], order_id="ord-9")
    service.add_waiter("carl", "Carl")
    service.offer_sessions(from_waiter_id="ben", to_waiter_id="carl")
    with service.database.writing() as orm:
        orm.execute(text("UPDATE offers SET id = 'offer-9'"))


@pytest.mark.parametrize("operation", FOR_BEARERS, ids=lambda each: each.name)
def test_nothing_is_done_without_a_token(anonymous, operation):
    answer = call(anonymous, operation, UNKNOWN)

    assert (answer.status_code, answer.content_type) == (401, PROBLEM)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer nonsense", "Bearer a.b.c", "Bearer \xff"],
)
def test_an_invalid_authorization_header_is_401(anonymous, header):
    answer = anonymous.get("/api/sessions/table-7", headers={"Authorization": header})
    assert (answer.status_code, answer.content_type) == (401, PROBLEM)


def signed(key=SECRET, algorithm="HS256", **claims):
    payload = {"sub": "anna", "role": "waiter", "type": "access", "jti": "1"}
    return jwt.encode(payload | {"exp": time.time() + 86_400} | claims, key, algorithm=algorithm)


@pytest.mark.parametrize(
    "token",
    [
        signed(exp=1),
        signed(key="another secret, just as long as ours is"),
        signed(key="", algorithm="none"),
        signed(role="king"),
        signed(role=None),
        signed(sub=""),
        signed(sub="a\0b"),
        signed(sub="x" * 200),
        signed(sub=" mia", role="manager"),
    ],
    ids=[
        "expired",
        "forged",
        "unsigned",
        "role",
        "no role",
        "nobody",
        "control",
        "long",
        "blanks",
    ],
)
def test_an_invalid_token_is_401(anonymous, token):
    answer = anonymous.get("/api/waiters/anna/floor", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.content_type) == (401, PROBLEM)
    assert token not in answer.text


def test_a_token_in_the_query_is_ignored(anonymous, anna):
    assert anonymous.get(f"/api/waiters/anna/floor?token={anna.token}").status_code == 401


@pytest.mark.parametrize("operation", FOR_BEARERS, ids=lambda each: each.name)
def test_a_stream_token_opens_streams_and_nothing_else(caller, operation):
    answer = call(caller("manager", "mia", scope="stream"), operation, UNKNOWN)
    assert (answer.status_code, answer.content_type) == (403, PROBLEM)


def test_a_revoked_token_is_refused_everywhere(app, anna):
    def status():
        gevent.sleep(0.02)  # in which the process reads the revocations
        return anna.get("/api/waiters/anna/floor").status_code

    assert status() == 200
    token_id = jwt.decode(anna.token, SECRET, algorithms=["HS256"])["jti"]
    app.extensions["revocations"].revoke_token(token_id)
    wait_until(lambda: status() == 401)


@pytest.mark.parametrize("operation", STAFF_ONLY, ids=lambda each: each.name)
def test_guests_get_the_same_refusal_for_staff_operations_whether_the_id_exists_or_not(
    guest, operation, table_nine
):
    answers = [call(guest, operation, ids) for ids in (OWN, FOREIGN, UNKNOWN)]

    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.data for answer in answers}) == 1


@pytest.mark.parametrize("role", ["guest", "anna"])
@pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS if "{" in each.path], ids=lambda each: each.name
)
def test_foreign_things_look_like_unknown_ones(request, role, operation, table_nine):
    if (role, operation.name) == ("anna", "read_waiter"):
        return  # Waiters may see their colleagues.
    caller = request.getfixturevalue(role)
    foreign, unknown = call(caller, operation, FOREIGN), call(caller, operation, UNKNOWN)

    assert foreign.status_code == (403 if operation.staff_only and role == "guest" else 404)
    assert foreign.status_code == unknown.status_code
    assert foreign.data == unknown.data
    assert dict(foreign.headers) == dict(unknown.headers)


def test_a_waiter_opens_tables_for_nobody_else(anna):
    foreign = anna.post("/api/sessions", {"tableNumber": 3, "waiterId": "ben"})
    unknown = anna.post("/api/sessions", {"tableNumber": 3, "waiterId": "zoe"})

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.data == unknown.data


@pytest.mark.parametrize(
    "path",
    [
        "/api/sessions/{}",
        "/api/waiters/{}/floor",
        "/api/waiters/{}/analytics",
    ],
)
@pytest.mark.parametrize(
    "strange", ["x" * 5000, "a b", "%00", "%0d%0a", "%ed%a0%80", "%ff", "%e2%80%a8", "..", "'--"]
)
def test_strange_ids_are_not_found(manager, path, strange):
    answer = manager.get(path.format(strange))
    assert (answer.status_code, answer.content_type) == (404, PROBLEM)
    json.loads(answer.data)


@pytest.mark.parametrize("role", ["kitchen", "display"])
@pytest.mark.parametrize(
    "operation",
    [each for each in STAFF_ONLY if not each.for_screens],
    ids=lambda each: each.name,
)
def test_kitchen_and_display_are_not_floor_staff(caller, operation, role):
    answer = call(caller(role, "main"), operation, OWN)
    assert (answer.status_code, answer.content_type) == (403, PROBLEM)


@pytest.mark.parametrize(
    ("role", "subject", "claims"),
    [
        ("waiter", "anna", {"venue": "north"}),
        ("waiter", "anna", {"venue": "*"}),
        ("kitchen", "north", {}),
        ("display", "main", {"venue": "*"}),
        ("service", "till", {"venue": "*"}),
    ],
)
@pytest.mark.parametrize("operation", FOR_BEARERS, ids=lambda each: each.name)
def test_token_of_another_venue_than_the_bearers_does_nothing(
    caller, operation, role, subject, claims
):
    answer = call(caller(role, subject, **claims), operation, OWN)
    assert (answer.status_code, answer.content_type) == (403, PROBLEM)


def test_managers_of_two_venues_with_one_id_do_not_share_an_idempotency_key(caller, service):
    service.add_venue("north")
    body = {"id": "carla", "name": "Carla"}
    answers = [
        caller("manager", "mia", **claims).post(
            "/api/waiters", body, headers={"Idempotency-Key": "the-same"}
        )
        for claims in ({}, {"venue": "north"})
    ]
    assert "Idempotent-Replayed" not in answers[1].headers
