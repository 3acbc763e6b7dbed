"""A repeated POST with the same key is carried out once."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update

from waiter_service import IdempotencyStore
from waiter_service.errors import DatabaseUnavailable
from waiter_service.store.models import IdempotencyRow, OrderRow

ORDERS = "/api/sessions/table-7/orders"
TEA = {"items": [{"name": "Tea", "quantity": 1}]}
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


@pytest.fixture
def order_count(service):
    def count():
        with service.database.reading() as orm:
            return orm.scalar(select(func.count()).select_from(OrderRow))

    return count


def test_a_retried_order_is_placed_once_and_gets_the_first_answer(guest, order_count):
    before = order_count()
    first = guest.post(ORDERS, TEA, headers=KEY)
    again = guest.post(ORDERS, TEA, headers=KEY)

    assert (again.status_code, again.json) == (201, first.json)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert order_count() == before + 1


def test_a_retry_gets_the_first_answer_even_if_the_order_has_moved_on(guest, anna):
    first = guest.post(ORDERS, TEA, headers=KEY)
    anna.patch(f"/api/orders/{first.json['id']}", {"status": "Acknowledged"})

    assert guest.post(ORDERS, TEA, headers=KEY).json == first.json


def test_another_spelling_of_a_body_is_the_same_body(guest):
    first = guest.post(ORDERS, TEA, headers=KEY)
    raw = b'{ "items": [{"quantity":1, "name":"\\u0054ea"}], "note": null }'
    again = guest.post(ORDERS, data=raw, content_type="application/json", headers=KEY)

    assert again.json == first.json


def test_each_post_without_a_key_makes_a_new_order(guest):
    assert guest.post(ORDERS, TEA).json["id"] != guest.post(ORDERS, TEA).json["id"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ORDERS, {"items": [{"name": "Tea", "quantity": 2}]}),
        ("/api/sessions/table-7/requests", {"kind": "bill"}),
    ],
)
def test_a_key_is_refused_for_another_call(guest, path, body, order_count):
    guest.post(ORDERS, TEA, headers=KEY)
    before = order_count()
    refused = guest.post(path, body, headers=KEY)

    assert refused.status_code == 409
    assert "idempotency key" in refused.json["detail"]
    assert "Retry-After" not in refused.headers
    assert order_count() == before


def test_each_caller_has_separate_keys(guest, anna, order_count):
    before = order_count()
    guest.post(ORDERS, TEA, headers=KEY)
    other = anna.post(ORDERS, TEA, headers=KEY)

    assert (other.status_code, "Idempotent-Replayed" in other.headers) == (201, False)
    assert order_count() == before + 2


def test_a_refusal_is_not_kept_for_the_key(anna, manager):
    body = {"tableNumber": 7, "waiterId": "ben"}
    assert manager.post("/api/sessions", body, headers=KEY).status_code == 409
    anna.post("/api/sessions/table-7/close", {"force": True, "reason": "gone"})

    answer = manager.post("/api/sessions", body, headers=KEY)
    assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (201, False)


def test_a_retried_opening_gets_the_code_although_it_is_not_stored(anna, service):
    first = anna.post("/api/sessions", {"tableNumber": 3}, headers=KEY)
    again = anna.post("/api/sessions", {"tableNumber": 3}, headers=KEY)

    assert again.status_code == 201
    assert again.json["session"] == first.json["session"]
    assert again.headers["Location"] == first.headers["Location"]
    assert again.json["joinCode"] == first.json["joinCode"]
    with service.database.reading() as orm:
        kept = orm.scalars(select(IdempotencyRow.response_body)).all()
    assert all(first.json["joinCode"] not in body for body in kept)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/sessions", {"tableNumber": 3}),
        ("/api/sessions/{}/orders", TEA),
        ("/api/sessions/{}/requests", {"kind": "bill"}),
    ],
)
def test_a_retry_is_not_answered_after_the_caller_transferred_the_table(anna, service, path, body):
    opened = anna.post("/api/sessions", {"tableNumber": 3}, headers=KEY)
    session_id = opened.json["session"]["id"]
    path = path.format(session_id)
    key = KEY if path == "/api/sessions" else {"Idempotency-Key": "another"}
    if path != "/api/sessions":
        assert anna.post(path, body, headers=key).status_code in (200, 201)
    service.transfer_sessions(to_waiter_id="ben", session_ids=[session_id])

    again = anna.post(path, body, headers=key)
    unknown = anna.post("/api/sessions/nowhere/requests", {"kind": "bill"})
    assert (again.status_code, again.json["detail"]) == (404, unknown.json["detail"])


def test_a_second_call_during_the_first_is_refused_as_busy(guest, service, order_count):
    refused = []
    # After the order is placed and before its answer is stored.
    service.on_commit = lambda _changes: refused.append(guest.post(ORDERS, TEA, headers=KEY))
    before = order_count()
    first = guest.post(ORDERS, TEA, headers=KEY)

    assert first.status_code == 201
    assert [answer.status_code for answer in refused] == [409]
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert guest.post(ORDERS, TEA, headers=KEY).json == first.json
    assert order_count() == before + 1


MAKING = [
    (ORDERS, TEA),
    ("/api/sessions/table-7/requests", {"kind": "bill"}),
    ("/api/sessions", {"tableNumber": 3}),
]


@pytest.mark.parametrize(("path", "body"), MAKING, ids=["order", "request", "session"])
@pytest.mark.parametrize("loss", ["answer", "row"])
def test_a_change_whose_answer_was_not_kept_is_found_by_a_retry(anna, service, path, body, loss):
    """After a crash between the two, the order exists but its answer was not stored."""
    first = anna.post(path, body, headers=KEY)
    with service.database.writing() as orm:
        if loss == "row":
            orm.execute(delete(IdempotencyRow))
        else:
            row = select(IdempotencyRow.created_at).scalar_subquery()
            long_ago = orm.scalar(select(row)) - timedelta(minutes=2)
            orm.execute(
                update(IdempotencyRow).values(
                    response_status=None, response_body=None, created_at=long_ago
                )
            )
    again = anna.post(path, body, headers=KEY)

    assert again.status_code == 201
    made, found = (each.json.get("session", each.json) for each in (first, again))
    assert found["id"] == made["id"]


def test_an_expired_key_does_not_return_a_closed_session(anna, service):
    body = {"tableNumber": 3}
    first = anna.post("/api/sessions", body, headers=KEY)
    anna.post(f"/api/sessions/{first.json['session']['id']}/close")
    with service.database.writing() as orm:
        orm.execute(delete(IdempotencyRow))
    again = anna.post("/api/sessions", body, headers=KEY)

    assert again.status_code == 409
    assert "send a new key" in again.json["detail"]
    other = anna.post("/api/sessions", body, headers={"Idempotency-Key": "another"})
    assert (other.status_code, other.json["session"]["closedAt"]) == (201, None)


def test_a_request_found_by_a_retry_has_its_current_status(anna, service):
    path = "/api/sessions/table-7/requests"
    first = anna.post(path, {"kind": "bill"}, headers=KEY)
    anna.patch(f"/api/requests/{first.json['id']}", {"status": "Completed"})
    with service.database.writing() as orm:
        orm.execute(delete(IdempotencyRow))
    again = anna.post(path, {"kind": "bill"}, headers=KEY)

    assert (again.status_code, again.json["id"]) == (201, first.json["id"])
    assert again.json["status"] == "Completed"


def test_a_change_is_answered_even_if_the_answer_could_not_be_kept(guest, monkeypatch, order_count):
    def fail(*_args):
        raise DatabaseUnavailable("gone just now")

    monkeypatch.setattr(IdempotencyStore, "finish", fail)
    before = order_count()

    assert guest.post(ORDERS, TEA, headers=KEY).status_code == 201
    assert order_count() == before + 1


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, "a\x00b", "a\x7fb", "caf\xe9"])
def test_an_invalid_key_is_refused_and_nothing_is_done(guest, key, order_count):
    before = order_count()
    refused = guest.post(ORDERS, TEA, headers={"Idempotency-Key": key})

    assert refused.status_code == 422
    assert refused.json["errors"][0]["field"] == "Idempotency-Key"
    assert order_count() == before


def test_transfers_and_closings_accept_a_key_too(anna):
    body = {"toWaiterId": "ben", "sessionIds": ["table-5"]}
    first = anna.post("/api/waiters/anna/transfers", body, headers=KEY)
    again = anna.post("/api/waiters/anna/transfers", body, headers=KEY)
    assert again.json == first.json
    assert [each["id"] for each in again.json["moved"]] == ["table-5"]

    other = {"Idempotency-Key": "another"}
    forced = {"force": True, "reason": "gone"}
    first = anna.post("/api/sessions/table-7/close", forced, headers=other)
    assert first.status_code == 200
    assert anna.post("/api/sessions/table-7/close", forced, headers=other).json == first.json
