"""The venue of a session or a waiter, and the cost of finding it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from waiter_service import Database, WaiterService
from waiter_service.reading import venue_directory
from waiter_service.reading.venue_directory import VenueDirectory


@pytest.fixture
def directory(service: WaiterService) -> VenueDirectory:
    return VenueDirectory(service.database)


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Collect the statements that read rows."""
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("SELECT"):
            statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def add_north(service: WaiterService) -> None:
    service.add_venue("north", "North")
    service.add_waiter("carla", "Carla", venue_id="north")


def test_with_main_alone_everything_is_of_main_and_nothing_is_read(
    service: WaiterService, directory: VenueDirectory
) -> None:
    assert not directory.refresh()
    with counted(service.database) as statements:
        assert directory.venue_of("waiter", "anna") == "main"
        assert directory.venue_of("session", "nobody-knows") == "main"
    assert statements == []


def test_second_venue_is_news_once(service: WaiterService, directory: VenueDirectory) -> None:
    add_north(service)
    assert directory.refresh()
    assert directory.has_several
    with counted(service.database) as statements:
        assert not directory.refresh()
    assert statements == []


def test_open_sessions_and_waiters_are_known_without_a_read(
    service: WaiterService, directory: VenueDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue_directory, "PAGE_ROWS", 2)
    service.add_waiter("anna", "Anna")
    service.add_waiter("ben", "Ben")
    add_north(service)
    venues = {}
    for table in (1, 2, 3):
        for waiter_id, venue_id in (("anna", "main"), ("carla", "north")):
            venues[service.open_session(table, waiter_id).id] = venue_id
    directory.refresh()

    with counted(service.database) as statements:
        assert directory.venue_of("waiter", "anna") == directory.venue_of("waiter", "ben") == "main"
        assert directory.venue_of("waiter", "carla") == "north"
        assert {each: directory.venue_of("session", each) for each in venues} == venues
    assert statements == []


def test_unknown_id_costs_one_read_and_is_remembered_once_it_exists(
    service: WaiterService, directory: VenueDirectory
) -> None:
    add_north(service)
    directory.refresh()
    with counted(service.database) as statements:
        assert directory.venue_of("session", "late") is None
        assert directory.venue_of("session", "late") is None
    assert len(statements) == 2

    service.open_session(7, "carla", session_id="late")
    with counted(service.database) as statements:
        assert directory.venue_of("session", "late") == "north"
        assert directory.venue_of("session", "late") == "north"
    assert len(statements) == 1


def test_text_that_is_no_id_is_not_asked_for(
    service: WaiterService, directory: VenueDirectory
) -> None:
    add_north(service)
    directory.refresh()
    with counted(service.database) as statements:
        assert directory.venue_of("session", "no id \0") is None
    assert statements == []


def test_no_more_is_remembered_than_may_be(
    service: WaiterService, directory: VenueDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venue_directory, "MAX_REMEMBERED", 2)
    add_north(service)
    directory.refresh()
    for number in range(4):
        service.open_session(number + 1, "carla", session_id=f"s{number}")
        directory.venue_of("session", f"s{number}")
    with counted(service.database) as statements:
        assert {directory.venue_of("session", f"s{number}") for number in (3, 2, 0)} == {"north"}
    assert len(statements) == 1
