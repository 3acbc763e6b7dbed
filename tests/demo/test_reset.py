"""``demo reset`` restores the initial demo, and does not touch other restaurants."""

from __future__ import annotations

from functools import partial

import pytest

from tests.api.calling import close_app, open_app
from tests.support.command_line import flask
from tests.support.service_server import copy_sqlite
from tests.support.waiting import wait_until
from waiter_service import Actor, FloorQueries, WaiterService


@pytest.fixture
def app(tmp_path, seeded_sqlite):
    app = open_app(tmp_path, copy_sqlite(seeded_sqlite, tmp_path))
    yield app
    close_app(app)


@pytest.fixture
def service(app):
    return app.extensions["waiter_service"]


def change_everything(service: WaiterService) -> None:
    service.update_order_status("ord-1", "Cancelled")
    service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    service.close_session("table-7")
    service.open_session(12, "anna")


def tables(service: WaiterService) -> list[tuple[int, str, str]]:
    page = FloorQueries(service.database).sessions()
    return [(each.table_number, each.id, each.waiter_id) for each in page.sessions]


BEGINNING = [(5, "table-5", "anna"), (7, "table-7", "anna"), (9, "table-9", "ben")]


def test_reset_restores_the_initial_demo(app, service):
    change_everything(service)
    result = app.test_cli_runner().invoke(args=["demo", "reset"])

    assert (result.exit_code, result.stderr) == (0, "")
    assert tables(service) == BEGINNING
    table = FloorQueries(service.database).session_snapshot("table-7")
    assert [(each.id, each.status) for each in table.requests] == [("req-1", "New")]
    assert [(each.id, each.status) for each in table.orders] == [("ord-1", "New")]
    # The history of changes is removed too: no transfer to ben is left.
    assert service.transfer_sessions(
        session_ids=["table-7"], to_waiter_id="ben", actor=Actor.waiter("anna")
    ).changed


def test_another_restaurants_database_is_refused_unless_forced(app, service):
    service.add_waiter("carl", "Carl")
    change_everything(service)
    before = tables(service)

    refused = app.test_cli_runner().invoke(args=["demo", "reset"])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "not the demo's" in refused.stderr
    assert tables(service) == before

    assert app.test_cli_runner().invoke(args=["demo", "reset", "--force"]).exit_code == 0
    assert tables(service) == BEGINNING
    waiters = FloorQueries(service.database).waiters().waiters
    assert [each.id for each in waiters] == ["anna", "ben"]


def was_told_to_load_all(stream):
    refreshes = stream.of_type("cache_refresh")
    return any(event.data["affectedData"] == ["all"] for event in refreshes)


def test_open_screens_load_everything_again(server):
    anna = server.listen_waiter("anna")
    guest = server.listen_session("table-7")
    assert flask(server, "demo", "reset").returncode == 0

    for stream in (anna, guest):
        wait_until(partial(was_told_to_load_all, stream))
