"""A whole evening from an empty database: by REST alone, and by the command line alone.

Two venues, each with a table 7. Waiters start their shifts, guests join by code, call and
order, the kitchen cooks, an offered handover is accepted, and a shift ends. A manager watches
everything of one venue and nothing of the other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from tests.support.command_line import flask
from tests.support.service_server import SECRET, ServiceServer
from tests.support.sse_client import SseClient
from tests.support.waiting import wait_until
from waiter_service import Database

#: What happens in the mill while its manager watches, in order: the event, and what it shows.
STORY: list[tuple[str, dict[str, Any]]] = [
    ("shift_update", {"waiterId": "anna", "onShift": True}),
    ("shift_update", {"waiterId": "ben", "onShift": True}),
    ("session_update", {"change": "opened", "tableNumber": 7}),
    ("request_update", {"status": "New", "tableNumber": 7}),
    ("request_update", {"status": "Acknowledged"}),
    ("order_update", {"status": "New"}),
    ("order_update", {"status": "Acknowledged"}),
    ("order_update", {"status": "InProgress"}),
    ("order_update", {"status": "Complete"}),
    ("handover_offered", {"fromWaiterId": "anna", "toWaiterId": "ben"}),
    ("handover_settled", {"outcome": "accepted"}),
    ("session_transfer", {"waiterId": "ben", "previousWaiterId": "anna"}),
    ("shift_update", {"waiterId": "anna", "onShift": False}),
    ("session_update", {"change": "moved", "tableNumber": 8}),
    ("order_update", {"status": "Delivered", "tableNumber": 8}),
    ("session_update", {"change": "closed", "tableNumber": 8}),
]

#: Both are of one commit, so either may come first.
_OF_ONE_COMMIT = {"handover_settled", "session_transfer"}


@pytest.fixture
def server(start_server: Callable[..., ServiceServer], tmp_path: Path) -> ServiceServer:
    """The service on a database with tables and nothing in them."""
    url = f"sqlite:///{tmp_path / 'restaurant.db'}"
    database = Database(url)
    database.upgrade()
    database.dispose()
    return start_server(DATABASE_URL=url)


def token(role: str, subject: str, **claims: str) -> str:
    """Return a token as the platform signs it."""
    payload = {"sub": subject, "role": role, "exp": time.time() + 600, **claims}
    return jwt.encode(payload, SECRET, algorithm="HS256")


class Rest:
    """One caller of the REST API."""

    def __init__(self, server: ServiceServer, bearer: str | None) -> None:
        self._url = f"{server.url}/api"
        self._headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}

    def __call__(self, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
        answer = requests.request(
            method, self._url + path, json=body, headers=self._headers, timeout=10
        )
        assert answer.status_code == expect, (method, path, answer.text)
        return answer.json()


def follow_floor(server: ServiceServer, venue: str, bearer: str) -> SseClient:
    return server.listen_at(f"/sse/floor/{venue}", bearer)


def require_story(watcher: SseClient, venue: str) -> None:
    """Require that ``watcher`` saw the evening of the venue, each event once, in order."""
    wait_until(lambda: len(told(watcher)) >= len(STORY))
    seen = told(watcher)
    assert [event for event, _ in seen if event not in _OF_ONE_COMMIT] == [
        event for event, _ in STORY if event not in _OF_ONE_COMMIT
    ]
    assert len(seen) == len(STORY)
    left = list(seen)
    for event, shown in STORY:
        found = next(each for each in left if each[0] == event and shown.items() <= each[1].items())
        left.remove(found)
    assert not left, venue


def told(watcher: SseClient) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of the venue that ``watcher`` has seen."""
    own = ("connection", "heartbeat", "closing", "cache_refresh")
    return [(each.type, each.data) for each in watcher.events if each.type not in own]


def test_by_rest_alone(server: ServiceServer) -> None:
    owner = Rest(server, token("manager", "owner", venue="*"))
    owner("POST", "/venues", {"id": "mill", "name": "The Mill", "timeZone": "Europe/Berlin"}, 201)
    owner("POST", "/venues", {"id": "harbour", "name": "At the Harbour"}, 201)
    for venue, staff in (("mill", ("anna", "ben")), ("harbour", ("hana",))):
        for waiter in staff:
            body = {"id": waiter, "name": waiter.title(), "venueId": venue}
            owner("POST", "/waiters", body, 201)
    watcher = follow_floor(server, "mill", token("manager", "mia", venue="mill"))
    neighbour = follow_floor(server, "harbour", token("manager", "mia", venue="harbour"))
    kitchen_screen = server.listen_at("/sse/kitchen/mill", token("kitchen", "mill", venue="mill"))
    manager = Rest(server, token("manager", "mia", venue="mill"))
    anna, ben = (Rest(server, token("waiter", each, venue="mill")) for each in ("anna", "ben"))
    kitchen = Rest(server, token("kitchen", "mill", venue="mill"))
    hana = Rest(server, token("waiter", "hana", venue="harbour"))

    hana("POST", "/waiters/hana/shift/start")
    there = hana("POST", "/sessions", {"tableNumber": 7, "waiterId": "hana"}, 201)
    anna("POST", "/waiters/anna/shift/start")
    ben("POST", "/waiters/ben/shift/start")
    seated = anna("POST", "/sessions", {"tableNumber": 7, "waiterId": "anna"}, 201)
    session_id = seated["session"]["id"]
    joined = Rest(server, None)("POST", "/join", {"code": seated["joinCode"]})
    guest = Rest(server, joined["token"])
    request = guest("POST", f"/sessions/{session_id}/requests", {"kind": "water"}, 201)
    anna("PATCH", f"/requests/{request['id']}", {"status": "Acknowledged"})
    items = [{"name": "Pizza", "quantity": 2}]
    order = guest("POST", f"/sessions/{session_id}/orders", {"items": items}, 201)
    anna("PATCH", f"/orders/{order['id']}", {"status": "Acknowledged"})
    (to_cook,) = kitchen("GET", "/venues/mill/kitchen")["orders"]
    assert (to_cook["id"], to_cook["tableNumber"]) == (order["id"], 7)
    for status in ("InProgress", "Complete"):
        kitchen("PATCH", f"/orders/{order['id']}", {"status": status})
    offer = anna("POST", "/waiters/anna/offers", {"toWaiterId": "ben"}, 201)
    assert offer["sessionIds"] == [session_id]
    assert manager("GET", f"/sessions/{session_id}")["waiterId"] == "anna"
    refused = anna("POST", "/waiters/anna/shift/end", expect=409)
    assert refused["code"] == "tables_in_hand"
    ben("POST", f"/offers/{offer['id']}/accept")
    anna("POST", "/waiters/anna/shift/end")
    ben("POST", f"/sessions/{session_id}/move", {"tableNumber": 8})
    ben("PATCH", f"/orders/{order['id']}", {"status": "Delivered"})
    ben("POST", f"/sessions/{session_id}/close")

    require_story(watcher, "mill")
    assert [each[1]["status"] for each in told(kitchen_screen)] == [
        *("New", "Acknowledged", "InProgress", "Complete", "Delivered")
    ]
    require_only(neighbour, there["session"]["id"])
    require_untold(watcher, there["session"]["id"])
    floor = Rest(server, token("manager", "mia", venue="harbour"))("GET", "/venues/harbour/floor")
    assert [each["id"] for each in floor["sessions"]] == [there["session"]["id"]]


def require_only(neighbour: SseClient, session_id: str) -> None:
    """Require that the other venue's manager saw that venue's evening and nothing else."""
    wait_until(lambda: len(told(neighbour)) >= 2)
    assert [(event, data.get("sessionId")) for event, data in told(neighbour)] == [
        ("shift_update", None),
        ("session_update", session_id),
    ]


def require_untold(watcher: SseClient, session_id: str) -> None:
    assert session_id not in json.dumps([data for _, data in told(watcher)])


def test_by_the_command_line_alone(server: ServiceServer) -> None:
    def run(*words: str, fails: bool = False) -> str:
        done = flask(server, *words)
        assert (done.returncode != 0) is fails, (words, done.stdout, done.stderr)
        return done.stderr if fails else done.stdout

    def answer(*words: str) -> Any:
        return json.loads(run(*words, "--json"))

    run("venue", "add", "mill", "The Mill")
    run("venue", "add", "harbour", "At the Harbour")
    run("waiter", "add", "anna", "Anna", "--venue", "mill")
    run("waiter", "add", "ben", "Ben", "--venue", "mill")
    run("waiter", "add", "hana", "Hana", "--venue", "harbour")
    watcher = follow_floor(
        server, "mill", run("token", "manager", "mia", "--venue", "mill").strip()
    )
    neighbour = follow_floor(
        server, "harbour", run("token", "manager", "mia", "--venue", "harbour").strip()
    )
    run("waiter", "shift", "hana", "start")
    there = answer("session", "open", "7", "hana")["session"]["id"]
    run("waiter", "shift", "anna", "start")
    run("waiter", "shift", "ben", "start")
    seated = answer("session", "open", "7", "anna")
    session_id = seated["session"]["id"]
    joined = requests.post(
        f"{server.url}/api/join", json={"code": seated["joinCode"]}, timeout=10
    ).json()
    assert joined["session"]["id"] == session_id
    request = answer("request", "create", session_id, "water")["id"]
    run("waiter", "request-status", request, "Acknowledged")
    order = answer("order", "place", session_id, "2xPizza", "Water")["id"]
    assert [each["id"] for each in answer("order", "list", "--venue", "mill")["orders"]] == [order]
    for status in ("Acknowledged", "InProgress", "Complete"):
        run("waiter", "order-status", order, status)
    offer = answer("waiter", "offer", "--from", "anna", "--to", "ben")["id"]
    assert session_id in run("waiter", "shift", "anna", "end", fails=True)
    run("waiter", "accept", offer)
    run("waiter", "shift", "anna", "end")
    run("session", "move", session_id, "8")
    run("waiter", "order-status", order, "Delivered")
    run("session", "close", session_id)

    require_story(watcher, "mill")
    require_only(neighbour, there)
    require_untold(watcher, there)
    assert [each["id"] for each in answer("session", "list", "--venue", "harbour")["sessions"]] == [
        there
    ]
