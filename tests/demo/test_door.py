"""The demo hands out tokens, so by default it answers only clients on this machine."""

from __future__ import annotations

import pytest
from flask import Flask
from flask_jwt_extended import JWTManager

from demo.blueprint import create_blueprint

PATHS = ["/demo", "/demo/", "/demo/floor", "/demo/waiter?id=ben", "/demo/static/page.js"]


def status(
    path: str, *, peer: str, is_public: bool = False, headers: dict[str, str] | None = None
) -> int:
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(lambda _id: None, is_public=is_public))
    # The page itself needs the whole application. The refusal comes before it.
    app.add_url_rule("/sse/static/<filename>", "sse.static", lambda filename: "")
    app.config["JWT_SECRET_KEY"] = "a secret that only the tests use, long enough"
    JWTManager(app)
    with app.test_client().get(
        path, headers=headers, environ_overrides={"REMOTE_ADDR": peer}
    ) as answer:
        return answer.status_code


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_clients_on_this_machine_are_answered(path: str, peer: str) -> None:
    assert status(path, peer=peer) == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("peer", ["192.0.2.7", "::ffff:10.0.0.1", "2001:db8::1", "", "@"])
def test_clients_on_other_machines_are_refused(path: str, peer: str) -> None:
    assert status(path, peer=peer) == 403
    assert status(path, peer=peer, is_public=True) == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Anything"]
)
def test_clients_behind_a_proxy_are_refused(path: str, header: str) -> None:
    headers = {header: "127.0.0.1"}
    assert status(path, peer="127.0.0.1", headers=headers) == 403
    assert status(path, peer="127.0.0.1", is_public=True, headers=headers) == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("demo.localhost", 200),
        ("evil.example", 403),
        ("notlocalhost", 403),
        ("192.0.2.7:8000", 403),
    ],
)
def test_another_host_name_for_this_machine_is_refused(path: str, host: str, expected: int) -> None:
    assert status(path, peer="127.0.0.1", headers={"Host": host}) == expected


@pytest.mark.parametrize(("setting", "forwarded"), [("1", 403), ("public", 200), ("0", 404)])
def test_the_rule_is_the_same_under_gunicorn(start_server, setting: str, forwarded: int) -> None:
    server = start_server(DEMO=setting)
    answer = server.get("/demo", headers={"X-Forwarded-For": "192.0.2.7"})
    assert answer.status_code == forwarded
    assert (answer.headers["Content-Type"] == "application/problem+json") == (forwarded != 200)
    assert server.get("/demo").status_code == (404 if setting == "0" else 200)


def test_a_waiter_of_another_restaurant_has_no_page() -> None:
    assert status("/demo/waiter?id=zoe", peer="127.0.0.1") == 404
