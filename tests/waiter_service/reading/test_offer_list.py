"""Offers are found by index, however many there have been."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, insert, text

from waiter_service import Actor, FloorQueries
from waiter_service.errors import NotPermitted, ValidationError
from waiter_service.store.models import OfferRow

BEGAN = datetime(2023, 1, 1, tzinfo=UTC)
COUNT = 5000


@pytest.fixture
def years_of_offers(service):
    """Settled offers of anna's to ben, in the venue main and in two others."""
    with service.database.writing() as orm:
        orm.execute(
            insert(OfferRow),
            [
                {
                    "id": f"offer-{number:012x}",
                    "venue_id": ("main", "east", "west")[number % 3],
                    "from_waiter_id": "anna",
                    "to_waiter_id": "ben",
                    "session_ids": ["table-5"],
                    "outcome": "declined",
                    "version": 2,
                    "created_at": BEGAN + timedelta(hours=number),
                    "expires_at": BEGAN + timedelta(hours=number, minutes=5),
                    "settled_at": BEGAN + timedelta(hours=number, minutes=1),
                }
                for number in range(COUNT)
            ],
        )
        orm.execute(text("ANALYZE offers"))


def plans_of(service, act):
    """Return how the database carries out each statement about offers that ``act`` sends."""
    sent = []

    def note(_connection, _cursor, statement, parameters, *_):
        if "offers" in statement:
            sent.append((statement, parameters))

    engine = service.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN" if service.database.is_sqlite else "EXPLAIN"
    with engine.connect() as connection:
        return [
            "\n".join(
                str(row[-1])
                for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)
            )
            for statement, parameters in sent
        ]


def test_look_for_expired_offers_is_one_look_into_an_index(service, years_of_offers):
    [plan] = plans_of(service, service.expire_offers)
    assert "ix_offers_settled_at_expires_at" in plan


@pytest.mark.parametrize("actor", [Actor.manager("mia"), Actor.waiter("anna")])
def test_page_of_offers_is_read_along_an_index(service, queries, years_of_offers, actor):
    [plan] = plans_of(service, lambda: queries.offers(actor=actor, limit=20))
    # PostgreSQL chooses by the share of the venue.
    assert "ix_offers_venue_id" in plan or "Index Scan Backward using pk_offers" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def test_pages_have_every_offer_once_newest_first(service, queries, years_of_offers):
    found, cursor = [], None
    while True:
        page = queries.offers(actor=Actor.manager("mia"), limit=500, cursor=cursor)
        found += [each.id for each in page.offers]
        if (cursor := page.next) is None:
            break
    assert found == [f"offer-{number:012x}" for number in range(COUNT) if number % 3 == 0][::-1]


def test_offers_are_not_for_guests_and_cursors_must_be_ours(queries: FloorQueries) -> None:
    for actor in (Actor.guest("table-5"), Actor.kitchen("main"), Actor.display("main")):
        with pytest.raises(NotPermitted):
            queries.offers(actor=actor)
    for wrong in ({"cursor": "x"}, {"limit": 0}, {"limit": 501}):
        with pytest.raises(ValidationError):
            queries.offers(**wrong)
