"""The commands ``waiter shift|offer|offers|accept|decline|withdraw`` and ``session move``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from tests.api.calling import Caller, close_app, open_app
from tests.support.service_server import copy_sqlite

Run = Callable[..., Result]


@pytest.fixture
def app(tmp_path: Path, seeded_sqlite: Path) -> Iterator[Flask]:
    """The application on the demo restaurant: anna has tables 5 and 7, ben table 9."""
    app = open_app(tmp_path, copy_sqlite(seeded_sqlite, tmp_path))
    yield app
    close_app(app)


@pytest.fixture
def run(app: Flask) -> Run:
    return lambda *words: app.test_cli_runner().invoke(args=list(words))


@pytest.fixture
def manager(app: Flask) -> Caller:
    return Caller.who_is(app, "manager", "mia")


@pytest.fixture
def offer_id(run: Run) -> str:
    """An open offer of anna's tables to ben."""
    made: str = json.loads(
        run("waiter", "offer", "--from", "anna", "--to", "ben", "--json").stdout
    )["id"]
    return made


def test_a_shift_starts_and_ends_once(run: Run) -> None:
    run("waiter", "transfer", "--from", "anna", "--to", "ben")
    shift = ("waiter", "shift", "anna")
    assert run(*shift, "start").stdout == "Waiter anna is on shift.\n"
    assert run(*shift, "start").stdout == "Waiter anna is on shift already.\n"
    assert run(*shift, "end").stdout == "Waiter anna is off shift.\n"
    assert run(*shift, "end").stdout == "Waiter anna is off shift already.\n"
    assert run(*shift, "start", "--to", "ben").exit_code == 2


def test_the_end_of_a_shift_with_tables_needs_someone_who_takes_them(run: Run) -> None:
    run("waiter", "shift", "anna", "start")
    refused = run("waiter", "shift", "anna", "end")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "tables in hand: 5 (table-5), 7 (table-7)" in refused.stderr
    assert "ben is off shift" in run("waiter", "shift", "anna", "end", "--to", "ben").stderr

    run("waiter", "shift", "ben", "start")
    ended = run("waiter", "shift", "anna", "end", "--to", "ben", "--reason", "tired")
    assert ended.stdout == "Waiter anna is off shift.\nNow with ben: table-5, table-7.\n"


def test_an_offer_is_made_listed_and_accepted(run: Run, offer_id: str) -> None:
    again = run("waiter", "offer", "--from", "anna", "--to", "ben")
    assert again.stdout == f"Offer {offer_id}: open already. ben may accept table-5, table-7.\n"

    def listed() -> list[str]:
        (line,) = run("waiter", "offers").stdout.splitlines()[1:]
        return line.split()

    assert listed() == [offer_id, "anna", "ben", "open", "table-5", "table-7"]

    accepted = run("waiter", "accept", offer_id)
    told = f"Offer {offer_id} is accepted.\nNow with ben: table-5, table-7.\n"
    assert accepted.stdout == told
    assert run("waiter", "accept", offer_id).stdout == f"Offer {offer_id} is accepted already.\n"
    assert listed() == [offer_id, "anna", "ben", "accepted", "table-5", "table-7"]


@pytest.mark.parametrize(("verb", "outcome"), [("decline", "declined"), ("withdraw", "withdrawn")])
def test_an_offer_is_declined_or_withdrawn(
    run: Run, offer_id: str, verb: str, outcome: str
) -> None:
    assert run("waiter", verb, offer_id).stdout == f"Offer {offer_id} is {outcome}.\n"
    refused = run("waiter", "accept", offer_id)
    assert (refused.exit_code, outcome in refused.stderr) == (1, True)


def test_an_offer_of_everything_says_whose(run: Run) -> None:
    refused = run("waiter", "offer", "--to", "ben")
    assert refused.exit_code == 2
    made = run("waiter", "offer", "--to", "ben", "--session", "table-7")
    assert made.stdout.endswith("made. ben may accept table-7.\n")


def test_guests_move_to_another_table(run: Run) -> None:
    assert run("session", "move", "table-7", "12").stdout == "Session table-7 is at table 12.\n"
    again = run("session", "move", "table-7", "12")
    assert again.stdout == "Session table-7 was already at table 12.\n"
    refused = run("session", "move", "table-7", "9")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "table 9 is occupied" in refused.stderr


def test_json_is_what_the_api_answers(run: Run, manager: Caller, offer_id: str) -> None:
    def printed(*words: str) -> object:
        return json.loads(run(*words, "--json").stdout)

    assert printed("waiter", "offers") == manager.get("/api/offers").json
    assert printed("waiter", "withdraw", offer_id) == manager.get(f"/api/offers/{offer_id}").json
    started = printed("waiter", "shift", "anna", "start")
    assert started == manager.post("/api/waiters/anna/shift/start").json
    moved = printed("session", "move", "table-7", "12")
    assert moved == manager.post("/api/sessions/table-7/move", {"tableNumber": 12}).json
