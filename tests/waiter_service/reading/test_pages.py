"""Finished items come in pages, open items are limited, and neither blocks other greenlets."""

import time
from itertools import chain

import pytest
from sqlalchemy import insert, text

from waiter_service import Actor, ValidationError
from waiter_service.pacing import PAUSE_SECONDS, paced
from waiter_service.reading import pages
from waiter_service.store.models import OrderRow

ANNA = Actor.waiter("anna")
EMOJI = "\U0001f355"


def finish(service, clock, number, *, same_moment=False):
    """Make and finish ``number`` orders and as many requests at table 5; return the ids."""
    made = []
    for each in range(number):
        if not same_moment:
            clock.advance(1)
        order = service.place_order("table-5", [{"name": "Tea", "quantity": 1}])
        service.update_order_status(order.id, "Cancelled")
        request = service.create_request("table-5", f"wish {each}")
        service.update_request_status(request.id, "Cancelled")
        made += [order.id, request.id]
    return made


def all_pages(read):
    """Return all pages, following the cursors of ``read(cursor)``."""
    found, cursor = [], None
    while True:
        found.append(read(cursor))
        cursor = found[-1].next
        if cursor is None:
            return found
        assert len(found) < 100


@pytest.mark.parametrize("same_moment", [False, True])
@pytest.mark.parametrize("limit", [1, 4, 20])
def test_finished_items_come_newest_first_and_once_each(
    service, queries, clock, limit, same_moment
):
    made = finish(service, clock, 5, same_moment=same_moment)
    still = service.create_request("table-5", "water").id
    found = all_pages(lambda at: queries.session_snapshot("table-5", limit=limit, cursor=at))
    shown = [[each.id for each in (*page.requests, *page.orders)] for page in found]
    assert sorted(chain.from_iterable(shown)) == sorted([*made, still])
    assert still in shown[0]
    assert all(len(page) <= limit + 1 for page in shown)
    if not same_moment and limit == 4:
        assert set(shown[0]) == {still, *made[-4:]}


def test_an_item_finished_between_two_pages_hides_no_other(service, queries, clock):
    made = finish(service, clock, 3)
    first = queries.session_snapshot("table-5", limit=2)
    clock.advance(1)
    finish(service, clock, 2)
    rest = all_pages(
        lambda at: queries.session_snapshot("table-5", limit=2, cursor=at or first.next)
    )
    shown = [each.id for page in (first, *rest) for each in (*page.requests, *page.orders)]
    assert sorted(shown) == sorted(made)


@pytest.mark.parametrize("cursor", ["", "x", "W10", "AAAA", "é", "x" * 600, 7, "bnVsbA"])
def test_a_forged_cursor_is_refused_by_field_name(queries, cursor):
    for read in (
        lambda: queries.session_snapshot("table-5", cursor=cursor),
        lambda: queries.waiter_floor("anna", cursor=cursor),
    ):
        with pytest.raises(ValidationError) as caught:
            read()
        assert caught.value.field == "cursor"
    forged = pages.encode_cursor("finished", "no moment", "1", "a")
    with pytest.raises(ValidationError):
        queries.session_snapshot("table-5", cursor=forged)


@pytest.mark.parametrize("odd", ["\ud800", "a\udfffb", "a\0"])
def test_a_cursor_with_text_that_no_database_stores_is_refused(queries, odd):
    reads = {
        ("open", "", "1", odd): lambda at: queries.session_snapshot("table-5", cursor=at),
        ("finished", "", "1", odd): lambda at: queries.session_snapshot("table-5", cursor=at),
        ("floor", odd, "", ""): lambda at: queries.waiter_floor("anna", cursor=at),
        ("floor", "table-5", "1", odd): lambda at: queries.waiter_floor("anna", cursor=at),
        ("waiters", odd, "", ""): lambda at: queries.waiters(cursor=at),
        ("sessions", odd, "", ""): lambda at: queries.sessions(cursor=at),
    }
    for parts, read in reads.items():
        with pytest.raises(ValidationError) as caught:
            read(pages.encode_cursor(*parts))
        assert caught.value.field == "cursor"


@pytest.mark.parametrize("limit", [0, -1, 501, True, "7", 1.0])
def test_an_invalid_limit_is_refused(queries, limit):
    with pytest.raises(ValidationError) as caught:
        queries.session_snapshot("table-5", limit=limit)
    assert caught.value.field == "limit"


def test_a_very_full_floor_continues_where_its_page_ended(service, queries):
    large = [{"name": EMOJI * 200, "quantity": 1}] * 20
    expected = set()
    for table in range(20, 26):
        service.open_session(table, "anna", session_id=f"t-{table}")
        expected.add(service.create_request(f"t-{table}", "water").id)
        expected |= {service.place_order(f"t-{table}", large).id for _ in range(6)}
    expected |= {"req-1", "ord-1"}
    found = all_pages(lambda at: queries.waiter_floor("anna", cursor=at))
    shown = [
        ticket.id
        for page in found
        for each in page.sessions
        for ticket in (*each.requests, *each.orders)
    ]
    assert len(found) > 1
    assert len(shown) == len(expected)
    assert set(shown) == expected
    tables = {each.session.id for page in found for each in page.sessions}
    assert tables == {"table-5", "table-7", *(f"t-{table}" for table in range(20, 26))}


def test_a_floor_of_many_tables_comes_in_pages(service, queries):
    for table in range(20, 30):
        service.open_session(table, "anna", session_id=f"t-{table}")
    found = all_pages(lambda at: queries.waiter_floor("anna", limit=5, cursor=at))
    shown = [each.session.id for page in found for each in page.sessions]
    assert len(shown) == len(set(shown)) == 12
    assert [len(page.sessions) for page in found] == [5, 5, 2]


def thousands_of_orders(service, clock, number):
    """Give anna's table 5 ``number`` finished orders."""
    with service.database.writing() as orm:
        orm.execute(
            insert(OrderRow),
            [
                {
                    "id": f"old-{each:06}",
                    "session_id": "table-5",
                    "items": [{"name": "Tea", "quantity": 1}],
                    "item_count": 1,
                    "status": "Paid",
                    "version": 6,
                    "created_at": clock.now,
                    "updated_at": clock.now,
                    "finished_at": clock.now,
                }
                for each in range(number)
            ],
        )


def test_long_reads_yield_to_other_greenlets(service, queries, clock, monkeypatch):
    """The time between two yields is short, however much is read."""
    thousands_of_orders(service, clock, 5000)
    pauses = []
    monkeypatch.setattr(time, "sleep", lambda seconds: pauses.append(seconds))
    figures = queries.waiter_analytics("anna", actor=ANNA)
    assert figures.orders.by_status["Paid"] == 5000
    assert len(pauses) >= 20
    pauses.clear()
    page = queries.session_snapshot("table-5", limit=500)
    assert len(page.orders) == 500
    assert len(pauses) >= 50
    # A pause of 0 would not let the loop look at its sockets.
    assert set(pauses) == {PAUSE_SECONDS}


def test_a_page_reads_no_more_than_it_shows(service, queries, clock, monkeypatch):
    thousands_of_orders(service, clock, 2000)
    read = []
    view = paced

    def reading(items, *more):
        for each in view(items):
            read.append(each)
            yield each

    monkeypatch.setattr(pages, "paced", reading)
    page = queries.session_snapshot("table-5", limit=50)
    assert (len(page.orders), page.next is None) == (50, False)
    assert len(read) <= 60
    read.clear()
    queries.waiter_floor("anna")
    assert len(read) <= 10


# PostgreSQL's planner chooses by the amount of data.
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_page_queries_use_an_index(service):
    plans = {
        "open": "SELECT * FROM orders WHERE session_id IN ('a', 'b') AND finished_at IS NULL "
        "ORDER BY session_id, id",
        "finished": "SELECT * FROM orders WHERE session_id = 'a' AND finished_at IS NOT NULL "
        "ORDER BY finished_at DESC, id DESC",
    }
    for name, statement in plans.items():
        with service.database.reading() as orm:
            plan = [row[-1] for row in orm.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]
        assert "ix_orders_session_id_finished_at" in plan[0], name
        assert not [step for step in plan if "TEMP B-TREE" in step], (name, plan)
