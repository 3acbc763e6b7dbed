"""The commands by which a floor is run: venues, waiters, sessions, requests and orders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from tests.api.calling import Caller, close_app, open_app

Run = Callable[..., Result]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """The application on an empty database."""
    app = open_app(tmp_path, f"sqlite:///{tmp_path / 'restaurant.db'}")
    app.extensions["waiter_service"].database.upgrade()
    yield app
    close_app(app)


@pytest.fixture
def run(app: Flask) -> Run:
    return lambda *words: app.test_cli_runner().invoke(args=list(words))


def rows(listed: Result) -> list[list[str]]:
    """Return the cells of a printed table, without its header."""
    return [line.split() for line in listed.stdout.splitlines()[1:]]


@pytest.fixture
def manager(app: Flask) -> Caller:
    return Caller.who_is(app, "manager", "mia")


@pytest.fixture
def open_table(run: Run) -> str:
    """The id of a session at table 5, which anna has."""
    run("waiter", "add", "anna", "Anna")
    session_id: str = json.loads(run("session", "open", "5", "anna", "--json").stdout)["session"][
        "id"
    ]
    return session_id


def test_a_waiter_is_added_once_and_a_name_corrected(run: Run) -> None:
    assert run("waiter", "add", "anna", "Ana").stdout == "Waiter anna (Ana): added.\n"
    assert run("waiter", "add", "anna", "Anna").stdout == "Waiter anna (Anna): known already.\n"
    assert rows(run("waiter", "list")) == [["anna", "Anna", "main", "off"]]


def test_a_long_list_is_printed_completely(run: Run, app: Flask) -> None:
    for number in range(120):
        app.extensions["waiter_service"].add_waiter(f"waiter-{number:03}", "Kim")
    ids = [row[0] for row in rows(run("waiter", "list"))]
    assert ids == [f"waiter-{number:03}" for number in range(120)]


def test_guests_join_by_the_code_of_a_table_that_was_opened(run: Run, app: Flask) -> None:
    run("waiter", "add", "anna", "Anna")
    opened = run("session", "open", "5", "anna")
    named = dict(line.split(": ") for line in opened.stdout.splitlines())

    joined = Caller(app, None).post("/api/join", {"code": named["Join code"]})
    assert joined.status_code == 200
    session = joined.get_json()["session"]
    assert session["id"] == named["Session"]
    assert session["tableNumber"] == 5


def test_a_session_is_closed_reopened_and_listed(run: Run, open_table: str) -> None:
    (row,) = rows(run("session", "list"))
    assert row[:4] == ["5", open_table, "anna", "main"]
    assert rows(run("session", "list", "--table", "6")) == []

    closed = run("session", "close", open_table)
    assert closed.stdout == f"Session {open_table} is closed now.\n"
    assert run("session", "close", open_table).stdout.endswith("was closed already.\n")
    assert rows(run("session", "list")) == []
    assert rows(run("session", "list", "--closed"))[0][:2] == ["5", open_table]

    reopened = run("session", "reopen", open_table, "--reason", "they came back")
    assert reopened.stdout == f"Session {open_table} is open again.\n"
    assert rows(run("session", "list", "--table", "5")) == [row]


def test_closing_with_unfinished_orders_requires_force_and_a_reason(
    run: Run, app: Flask, open_table: str
) -> None:
    app.extensions["waiter_service"].place_order(open_table, [{"name": "Tea", "quantity": 1}])
    refused = run("session", "close", open_table)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: ")
    assert refused.stderr.count("\n") == 1
    assert run("session", "close", open_table, "--force").exit_code == 1
    forced = run("session", "close", open_table, "--force", "--reason", "they left")
    assert forced.exit_code == 0


def test_json_output_equals_the_apis_answer(run: Run, manager: Caller, open_table: str) -> None:
    run("waiter", "add", "ben", "Ben")
    for words, path in (
        (("waiter", "list"), "/api/waiters"),
        (("waiter", "list", "--limit", "1"), "/api/waiters?limit=1"),
        (("session", "list"), "/api/sessions"),
        (("session", "list", "--table", "5"), "/api/sessions?table=5"),
        (("session", "list", "--table", "6"), "/api/sessions?table=6"),
    ):
        assert json.loads(run(*words, "--json").stdout) == manager.get(path).json

    first = json.loads(run("waiter", "list", "--json", "--limit", "1").stdout)
    last = json.loads(run("waiter", "list", "--json", "--cursor", first["next"]).stdout)
    assert [each["id"] for each in last["waiters"]] == ["ben"]
    assert last["next"] is None

    added = manager.post("/api/waiters", {"id": "ben", "name": "Ben"}).json
    assert json.loads(run("waiter", "add", "ben", "Ben", "--json").stdout) == added
    closed = json.loads(run("session", "close", open_table, "--json").stdout)
    assert closed == manager.post(f"/api/sessions/{open_table}/close").json
    reopened = json.loads(run("session", "reopen", open_table, "--json").stdout)
    assert reopened == manager.post(f"/api/sessions/{open_table}/reopen").json

    seated = json.loads(run("session", "open", "6", "ben", "--json").stdout)
    answered = manager.post("/api/sessions", {"tableNumber": 7, "waiterId": "ben"}).get_json()
    assert seated.keys() == answered.keys()
    code = manager.get(f"/api/sessions/{seated['session']['id']}/join-code").get_json()
    assert seated["joinCode"] == code["joinCode"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("session", "open", "5", "nobody"), "nobody"),
        (("session", "open", "0", "anna"), "table_number"),
        (("session", "close", "nowhere"), "nowhere"),
        (("session", "list", "--table", "0"), "table_number"),
        (("waiter", "add", "an na", "Anna"), "waiter_id"),
        (("waiter", "add", "anna", " "), "name"),
        (("waiter", "list", "--json", "--cursor", "x"), "cursor"),
    ],
)
def test_an_impossible_command_is_one_line_on_stderr(
    run: Run, open_table: str, words: tuple[str, ...], said: str
) -> None:
    refused = run(*words)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_venues_are_added_and_their_waiters_listed(run: Run) -> None:
    added = run("venue", "add", "harbour", "Hafen", "--time-zone", "Europe/Lisbon")
    assert added.stdout == "Venue harbour (Hafen): added.\n"
    assert run("venue", "add", "harbour").stdout == "Venue harbour (Hafen): known already.\n"
    assert rows(run("venue", "list")) == [
        ["harbour", "Hafen", "Europe/Lisbon"],
        ["main", "Main", "UTC"],
    ]
    run("waiter", "add", "hana", "Hana", "--venue", "harbour")
    run("waiter", "add", "anna", "Anna")
    assert [row[0] for row in rows(run("waiter", "list", "--venue", "harbour"))] == ["hana"]
    run("waiter", "shift", "anna", "start")
    assert [row[0] for row in rows(run("waiter", "list", "--on-shift"))] == ["anna"]
    refused = run("waiter", "add", "carl", "Carl", "--venue", "nowhere")
    assert refused.exit_code == 1
    assert "nowhere" in refused.output


def test_requests_and_orders_are_made_and_listed(
    run: Run, manager: Caller, open_table: str
) -> None:
    request = json.loads(run("request", "create", open_table, "water", "--json").stdout)
    assert run("request", "create", open_table, "Water").stdout == (
        f"Request {request['id']} (water): open already.\n"
    )
    placed = run("order", "place", open_table, "2xPizza", "Mineral water", "--json")
    order = json.loads(placed.stdout)
    assert order["items"] == [
        {"name": "Pizza", "quantity": 2},
        {"name": "Mineral water", "quantity": 1},
    ]
    assert [row[0] for row in rows(run("request", "list"))] == [request["id"]]
    assert "2 x Pizza, 1 x Mineral water" in run("order", "list", "--status", "new").stdout
    assert rows(run("order", "list", "--status", "Paid")) == []
    shown = json.loads(run("session", "show", open_table, "--json").stdout)
    answered: Any = manager.get(f"/api/sessions/{open_table}").json
    for each in ("cursor", "takenAt"):
        del shown[each], answered[each]
    assert shown == answered
    assert "2 x Pizza" in run("session", "show", open_table).stdout


@pytest.mark.parametrize("item", ["0xPizza", "100xPizza", "2x ", " "])
def test_an_item_that_cannot_be_ordered_is_refused(run: Run, open_table: str, item: str) -> None:
    refused = run("order", "place", open_table, item)
    assert refused.exit_code == 1
    assert "items" in refused.output
    assert rows(run("order", "list")) == []
