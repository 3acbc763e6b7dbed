"""A body is either read exactly or refused by the name of its field."""

import io

import pytest

REQUESTS = "/api/sessions/table-7/requests"
ORDERS = "/api/sessions/table-7/orders"
MOVE = "/api/requests/req-1"
TEA = {"name": "Tea", "quantity": 1}


def send(caller, raw, *, path=REQUESTS, content_type="application/json"):
    return caller.post(path, data=raw, content_type=content_type)


def fields(answer):
    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    assert all(each["message"] for each in answer.json["errors"])
    return [each["field"] for each in answer.json["errors"]]


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        (REQUESTS, {}, ["kind"]),
        (REQUESTS, [], ["body"]),
        (REQUESTS, "water", ["body"]),
        (REQUESTS, {"kind": None}, ["kind"]),
        (REQUESTS, {"kind": 7}, ["kind"]),
        (REQUESTS, {"kind": ""}, ["kind"]),
        (REQUESTS, {"kind": "  "}, ["kind"]),
        (REQUESTS, {"kind": "x" * 65}, ["kind"]),
        (REQUESTS, {"kind": "water", "note": "x" * 501}, ["note"]),
        (REQUESTS, {"kind": "water", "sessionId": "table-9"}, ["sessionId"]),
        (REQUESTS, {"kind": "a\0b"}, ["kind"]),
        (REQUESTS, {"kind": "water", "note": "a\x1bb"}, ["note"]),
        (ORDERS, {"items": []}, ["items"]),
        (ORDERS, {"items": [TEA] * 101}, ["items"]),
        (ORDERS, {"items": {"name": "Tea"}}, ["items"]),
        (ORDERS, {"items": [TEA, {"name": "Tea"}]}, ["items[1].quantity"]),
        (ORDERS, {"items": [{"name": "Tea", "quantity": 0}]}, ["items[0].quantity"]),
        (ORDERS, {"items": [{"name": "Tea", "quantity": 1.5}]}, ["items[0].quantity"]),
        (ORDERS, {"items": [{"name": "Tea", "quantity": True}]}, ["items[0].quantity"]),
        (ORDERS, {"items": [{"name": "Tea", "quantity": "1"}]}, ["items[0].quantity"]),
        (ORDERS, {"items": [{"name": "a\0", "quantity": 1}]}, ["items[0].name"]),
        (
            ORDERS,
            {"items": [{"name": 1, "quantity": None}]},
            ["items[0].name", "items[0].quantity"],
        ),
        (ORDERS, {"items": [{**TEA, "price": 1}]}, ["items[0].price"]),
    ],
)
def test_a_wrong_body_is_refused_by_field(guest, path, body, wrong):
    assert fields(guest.post(path, body)) == wrong


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        (MOVE, {}, ["status"]),
        (MOVE, {"status": "Delivered"}, ["status"]),
        (MOVE, {"status": "\u2028"}, ["status"]),
        (MOVE, {"status": "New", "expectedVersion": -1}, ["expectedVersion"]),
        (MOVE, {"status": "New", "expectedVersion": 2**31}, ["expectedVersion"]),
        (MOVE, {"status": "New", "expected_version": 1}, ["expected_version"]),
        (MOVE, {"status": "New", "reason": "\x07"}, ["reason"]),
        ("/api/sessions", {"tableNumber": 0}, ["tableNumber"]),
        ("/api/sessions", {"tableNumber": 10_000}, ["tableNumber"]),
        ("/api/sessions", {"tableNumber": 3, "waiterId": "a b"}, ["waiterId"]),
        ("/api/sessions/table-7/close", {"reason": 1}, ["reason"]),
        ("/api/sessions/table-7/close", {"reason": "\x00"}, ["reason"]),
        ("/api/waiters/anna/transfers", {"toWaiterId": "ben", "sessionIds": []}, ["sessionIds"]),
        (
            "/api/waiters/anna/transfers",
            {"toWaiterId": "ben", "sessionIds": ["a", "\0"]},
            ["sessionIds[1]"],
        ),
    ],
)
def test_a_wrong_body_of_a_staff_operation_is_refused_by_field(anna, path, body, wrong):
    method = "PATCH" if path == MOVE else "POST"
    assert fields(anna.call(method, path, json=body)) == wrong


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"kind":"water"}}',
        b'{"kind":"\xff"}',
        b'{"kind":"\\ud800"}',
        b'{"kind":"\\udc00\\ud800"}',
        b'{"\\ud800":1}',
        b"\xef\xbb\xbf{}",
        '{"kind":"water"}'.encode("utf-16"),
        b'{"kind":"a\nb"}',
        b"[" * 30_000,
        b'{"kind":' * 5_000,
        b'{"kind":' + b"9" * 30_000 + b"}",
    ],
    ids=range(13),
)
def test_a_body_that_is_not_json_is_400(guest, raw):
    answer = send(guest, raw)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


@pytest.mark.parametrize("raw", [b'{"kind":NaN}', b'{"kind":1e999}', b'{"kind":-0}'])
def test_unusual_numbers_are_422(guest, raw):
    assert fields(send(guest, raw)) == ["kind"]


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_another_content_type_than_json_is_415(guest, content_type):
    answer = send(guest, b'{"kind":"water"}', content_type=content_type)
    assert (answer.status_code, answer.content_type) == (415, "application/problem+json")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"]
)
def test_every_content_type_of_json_is_accepted(guest, content_type):
    assert send(guest, b'{"kind":"bill"}', content_type=content_type).status_code == 201


def test_a_body_above_the_limit_is_413(guest):
    answer = send(guest, b'{"kind":"water","note":"' + b"x" * 70_000 + b'"}')
    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")


@pytest.mark.parametrize(("size", "status"), [(100, 201), (70_000, 413)])
def test_the_limit_also_applies_to_chunked_bodies(guest, size, status):
    answer = guest.post(
        REQUESTS,
        input_stream=io.BytesIO(b'{"kind":"bill"}'.ljust(size)),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == status


def test_a_body_with_a_thousand_errors_gets_a_short_answer(guest):
    answer = guest.post(REQUESTS, {f"field{n}": n for n in range(3000)})
    assert len(fields(answer)) == 20
    assert len(answer.data) < 5_000


def test_text_that_looks_dangerous_is_kept_unchanged(guest):
    text = "\u2028 \U0001f35d <script> ' -- \ufeff שלום\n\tend"
    made = guest.post(REQUESTS, {"kind": "other", "note": text})

    assert made.status_code == 201
    assert made.json["note"] == text
    assert made.data.isascii()
    assert guest.get("/api/sessions/table-7").json["requests"][1]["note"] == text


def test_every_spelling_of_a_whole_number_is_accepted(guest):
    raw = b'{"items":[{"name":"Tea","quantity":2.0},{"name":"Cake","quantity":1e1}]}'
    assert send(guest, raw, path=ORDERS).json["itemCount"] == 12


def test_closing_needs_no_body(anna):
    assert anna.post("/api/sessions/table-5/close", data=b"").status_code == 200
    assert anna.post("/api/sessions/table-5/close", {}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("DELETE", "/api/sessions/table-7", 405), ("GET", "/api/nowhere", 404)],
)
def test_errors_outside_of_operations_are_problem_documents_too(guest, method, path, status):
    answer = guest.call(method, path)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
