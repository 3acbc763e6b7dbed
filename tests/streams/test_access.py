"""Who gets a stream, and that a refusal does not reveal what exists."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest

from tests.support.raw_http import RawAnswer, exchange
from tests.support.service_server import SECRET
from tests.support.shared_server import SharedServer

KINDS = ("session", "waiter")
OWN = {"session": ("customer", "table-7"), "waiter": ("waiter", "anna")}


def ask(house: SharedServer, path: str, token: str | None = None) -> RawAnswer:
    """Ask for a stream and return the exact bytes of the answer, without the date."""
    authorization = f"Authorization: Bearer {token}\r\n" if token is not None else ""
    # All requests have one id, so that answers that must be the same have the same bytes.
    head = f"GET {path} HTTP/1.1\r\nHost: house\r\nX-Request-ID: a-test\r\n"
    request = f"{head}{authorization}Connection: close\r\n\r\n"
    return exchange(house.url, request.encode("latin-1"))


def assert_problem(answer: RawAnswer, status: int) -> None:
    assert answer.status == status
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.header("Cache-Control") == "no-store"
    document = json.loads(answer.body)
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert b"eyJ" not in answer.body


def unsigned(claims: dict[str, object]) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "none", "typ": "JWT"}, claims)
    ]
    return ".".join([*parts, ""])


def bad_tokens(house: SharedServer, role: str, subject: str) -> dict[str, str | None]:
    claims = {"sub": subject, "role": role, "exp": time.time() + 60}
    nobody = {"sub": subject, "exp": time.time() + 60}
    good = house.token(role, subject)
    return {
        "none": None,
        "empty": "",
        "forged": jwt.encode(claims, "another secret that is just as long", algorithm="HS256"),
        "signature cut off": good.rpartition(".")[0] + ".",
        "expired": house.token(role, subject, expires_in=-5),
        "alg none": unsigned(claims),
        "no role": jwt.encode(nobody, SECRET, algorithm="HS256"),
        "unknown role": house.token("chef", subject),
        "no jwt at all": "password",
        "not ascii": "caf\u00e9",
        "refresh token": house.token(role, subject, type="refresh"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_bad_token_is_answered_401(house: SharedServer, kind: str) -> None:
    role, subject = OWN[kind]
    for name, token in bad_tokens(house, role, subject).items():
        answer = ask(house, f"/sse/{kind}/{subject}", token)
        assert_problem(answer, 401)
        assert answer.header("WWW-Authenticate") == "Bearer", name


@pytest.mark.parametrize("kind", KINDS)
def test_good_token_for_another_stream_is_answered_403(house: SharedServer, kind: str) -> None:
    role, own = OWN[kind]
    others = {
        "another's id": (role, "somebody-else"),
        "wrong role": ("waiter" if role == "customer" else "customer", own),
        "almost the same id": (role, own.upper()),
    }
    for token_role, subject in others.values():
        assert_problem(ask(house, f"/sse/{kind}/{own}", house.token(token_role, subject)), 403)


def test_unknown_foreign_and_impossible_ids_get_the_same_answer(house: SharedServer) -> None:
    """The bytes are the same, so an attacker does not learn which tables or waiters exist."""
    guest, waiter = house.token("customer", "table-7"), house.token("waiter", "anna")
    answers = {
        path: ask(house, path, token)
        for token in (guest, waiter)
        for path in (
            "/sse/session/table-9",  # exists, but belongs to others
            "/sse/session/table-404",  # does not exist
            "/sse/session/not%20an%20id",  # is not an id
            "/sse/session/..%2Ftable-7",
            "/sse/session/table-7%09",
            "/sse/waiter/ben",
            "/sse/waiter/nobody",
            "/sse/waiter/" + "x" * 200,
        )
    }
    assert_problem(answers["/sse/waiter/ben"], 403)
    assert len(set(answers.values())) == 1


@pytest.mark.parametrize("token_for", [None, "expired"])
def test_all_ids_get_the_same_answer_without_a_good_token(
    house: SharedServer, token_for: str | None
) -> None:
    token = token_for and house.token("waiter", "anna", expires_in=-5)
    answers = {ask(house, f"/sse/waiter/{name}", token) for name in ("anna", "ben", "no%00body")}
    assert len(answers) == 1


def test_manager_gets_403_for_a_text_that_is_not_an_id(house: SharedServer) -> None:
    assert_problem(ask(house, "/sse/waiter/a%20b", house.token("manager", "maria")), 403)


# -- tokens for browsers ----------------------------------------------------------------------


def stream_token(house: SharedServer, role: str = "waiter", subject: str = "anna") -> str:
    answer = house.post("/sse/token", token=house.token(role, subject))
    assert answer.status_code == 200
    return str(answer.json()["token"])


def test_stream_token_in_the_query_opens_only_its_own_stream(house: SharedServer) -> None:
    token = stream_token(house)
    path = f"/sse/waiter/anna?token={token}"
    with house.get(path, stream=True) as answer:
        assert answer.status_code == 200
        assert next(answer.iter_lines()).startswith(b"retry: ")
    assert_problem(ask(house, f"/sse/waiter/ben?token={token}"), 403)
    assert_problem(ask(house, f"/sse/session/anna?token={token}"), 403)


def test_full_token_in_the_query_is_refused(house: SharedServer) -> None:
    for kind, (role, subject) in OWN.items():
        token = house.token(role, subject)
        assert_problem(ask(house, f"/sse/{kind}/{subject}?token={token}"), 401)


def test_stream_token_opens_streams_and_nothing_else(house: SharedServer) -> None:
    token = stream_token(house)
    for method, path in (
        ("POST", "/sse/token"),
        ("GET", "/api/waiters/anna/floor"),
        ("POST", "/api/sessions"),
    ):
        answer = house.request(method, path, token=token, json={} if method == "POST" else None)
        assert answer.status_code in (401, 403, 404), path
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_cookie_opens_a_stream_as_in_a_browser(house: SharedServer) -> None:
    answer = house.post("/sse/token", token=house.token("customer", "table-7"))
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "Path=/sse/session/table-7" in cookie
    assert "SameSite=Strict" in cookie
    with house.get(
        "/sse/session/table-7", headers={"Cookie": cookie.split(";")[0]}, stream=True
    ) as stream:
        assert stream.status_code == 200


def test_token_is_only_made_for_a_bearer(house: SharedServer) -> None:
    for token in bad_tokens(house, "waiter", "anna").values():
        headers = {} if token is None else {"Authorization": f"Bearer {token}".encode("latin-1")}
        answer = house.post("/sse/token", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "Set-Cookie" not in answer.headers
