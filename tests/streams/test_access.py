"""Who gets a stream, and what the others are told: nothing about what exists."""

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
    """Ask for a stream and return the answer to the byte, but for the date."""
    authorization = f"Authorization: Bearer {token}\r\n" if token is not None else ""
    # One id for all: answers that must look alike are then the same to the byte.
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
def test_token_that_is_not_good_is_401(house: SharedServer, kind: str) -> None:
    role, subject = OWN[kind]
    for name, token in bad_tokens(house, role, subject).items():
        answer = ask(house, f"/sse/{kind}/{subject}", token)
        assert_problem(answer, 401)
        assert answer.header("WWW-Authenticate") == "Bearer", name


@pytest.mark.parametrize("kind", KINDS)
def test_good_token_for_something_else_is_403(house: SharedServer, kind: str) -> None:
    role, own = OWN[kind]
    others = {
        "another's id": (role, "somebody-else"),
        "wrong role": ("waiter" if role == "customer" else "customer", own),
        "almost the same id": (role, own.upper()),
    }
    for token_role, subject in others.values():
        assert_problem(ask(house, f"/sse/{kind}/{own}", house.token(token_role, subject)), 403)


def test_unknown_foreign_and_impossible_ids_look_exactly_the_same(house: SharedServer) -> None:
    """To the byte: whoever tries learns nothing about which tables or waiters there are."""
    guest, waiter = house.token("customer", "table-7"), house.token("waiter", "anna")
    answers = {
        path: ask(house, path, token)
        for token in (guest, waiter)
        for path in (
            "/sse/session/table-9",  # there, but another's
            "/sse/session/table-404",  # not there
            "/sse/session/not%20an%20id",  # could not be
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
def test_without_a_good_token_all_ids_look_exactly_the_same(
    house: SharedServer, token_for: str | None
) -> None:
    token = token_for and house.token("waiter", "anna", expires_in=-5)
    answers = {ask(house, f"/sse/waiter/{name}", token) for name in ("anna", "ben", "no%00body")}
    assert len(answers) == 1


def test_manager_learns_nothing_from_an_id_that_could_not_be(house: SharedServer) -> None:
    assert_problem(ask(house, "/sse/waiter/a%20b", house.token("manager", "maria")), 403)


# -- tokens for browsers ----------------------------------------------------------------------


def stream_token(house: SharedServer, role: str = "waiter", subject: str = "anna") -> str:
    answer = house.post("/sse/token", token=house.token(role, subject))
    assert answer.status_code == 200
    return str(answer.json()["token"])


def test_stream_token_in_the_query_opens_the_own_stream_and_no_other(house: SharedServer) -> None:
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


def test_stream_token_is_good_for_streams_alone(house: SharedServer) -> None:
    token = stream_token(house)
    for method, path in (
        ("POST", "/sse/token"),
        ("GET", "/api/waiters/anna/floor"),
        ("POST", "/api/sessions"),
    ):
        answer = house.request(method, path, token=token, json={} if method == "POST" else None)
        assert answer.status_code in (401, 403, 404), path
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_cookie_opens_a_stream_as_a_browser_does_it(house: SharedServer) -> None:
    answer = house.post("/sse/token", token=house.token("customer", "table-7"))
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "Path=/sse/session/table-7" in cookie
    assert "SameSite=Strict" in cookie
    with house.get(
        "/sse/session/table-7", headers={"Cookie": cookie.split(";")[0]}, stream=True
    ) as stream:
        assert stream.status_code == 200


def test_token_is_made_for_a_bearer_alone(house: SharedServer) -> None:
    for token in bad_tokens(house, "waiter", "anna").values():
        headers = {} if token is None else {"Authorization": f"Bearer {token}".encode("latin-1")}
        answer = house.post("/sse/token", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "Set-Cookie" not in answer.headers
