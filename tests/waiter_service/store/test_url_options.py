"""Connection options in DATABASE_URL's query are used, or refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from waiter_service import Database
from waiter_service.errors import DatabaseUrlInvalid

SHOWN = ("lock_timeout", "statement_timeout", "search_path", "TimeZone", "application_name")


@pytest.fixture
def shown(postgres_url: str) -> Iterator[Callable[[str], dict[str, str]]]:
    """Return a function that connects with a query and returns the connection's settings."""
    made: list[Database] = []

    def show(query: str) -> dict[str, str]:
        database = Database(f"{postgres_url}?{query}")
        made.append(database)
        with database.engine.connect() as connection:
            return {name: str(connection.scalar(text(f"SHOW {name}"))) for name in SHOWN}

    yield show
    for database in made:
        database.dispose()


@pytest.mark.postgres
def test_options_of_the_url_are_combined_with_ours(shown: Callable[[str], dict[str, str]]) -> None:
    found = shown("options=-c%20statement_timeout%3D3s%20-csearch_path%3Dsouth")
    assert found["statement_timeout"] == "3s"
    assert found["search_path"] == "south"
    assert found["lock_timeout"] == "5s"
    assert found["TimeZone"] == "UTC"


@pytest.mark.postgres
def test_options_of_the_url_win_except_for_the_time_zone(
    shown: Callable[[str], dict[str, str]],
) -> None:
    found = shown("options=-clock_timeout%3D2s&options=-ctimezone%3DAsia/Tokyo")
    assert found["lock_timeout"] == "2s"
    assert found["TimeZone"] == "UTC"


@pytest.mark.postgres
def test_other_connection_parameters_of_the_url_win_too(
    shown: Callable[[str], dict[str, str]],
) -> None:
    assert shown("application_name=till&connect_timeout=9")["application_name"] == "till"


@pytest.mark.postgres
@pytest.mark.parametrize(("asked", "threshold"), [("none", None), ("0", 0), ("7", 7)])
def test_prepare_threshold_is_what_the_url_says(
    postgres_url: str, asked: str, threshold: int | None
) -> None:
    database = Database(f"{postgres_url}?prepare_threshold={asked}")
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver.prepare_threshold == threshold
    database.dispose()


@pytest.mark.parametrize("query", ["foo=bar", "prepare_threshold=often", "autocommit=1"])
def test_a_parameter_that_the_driver_does_not_know_is_refused_by_name(query: str) -> None:
    with pytest.raises(DatabaseUrlInvalid, match=query.partition("=")[0]) as refused:
        Database(f"postgresql://guest:secret@db.example/floor?{query}")
    assert "secret" not in str(refused.value)
