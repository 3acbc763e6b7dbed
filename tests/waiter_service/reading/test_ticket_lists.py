"""Requests and orders are found by status, venue, session and age."""

from itertools import chain

import pytest

from waiter_service import MAIN_VENUE, Actor, OrderPage, OrderStatus, ValidationError
from waiter_service.errors import NotPermitted
from waiter_service.reading import pages
from waiter_service.reading.pages import encode_cursor
from waiter_service.reading.ticket_lists import MAX_AGE_SECONDS

ANNA, BEN, MIA = Actor.waiter("anna"), Actor.waiter("ben"), Actor.manager("mia")
NORTH = Actor.manager("nora", "north")
EVERYWHERE = Actor.manager("eve", "*")
TEA = [{"name": "Tea", "quantity": 1}]


@pytest.fixture
def tea(service, clock):
    """Order tea at a table a minute after the last order, and move it to a status."""

    def order(name, status="New", *, session_id="table-7"):
        clock.advance(60)
        service.place_order(session_id, TEA, order_id=name)
        way = {
            "New": (),
            "Complete": ("InProgress", "Complete"),
            "Delivered": ("InProgress", "Complete", "Delivered"),
            "Paid": ("InProgress", "Complete", "Delivered", "Paid"),
            "Rejected": ("Rejected",),
            "Cancelled": ("Cancelled",),
        }[status]
        for step in way:
            service.update_order_status(name, step)

    return order


@pytest.fixture
def north(service):
    """A second venue, with a table 7 of its own and an order there."""
    service.add_venue("north")
    service.add_waiter("otto", "Otto", venue_id="north")
    service.open_session(7, "otto", session_id="north-7")
    service.create_request("north-7", "bill", request_id="req-n")
    service.place_order("north-7", TEA, order_id="ord-n")


def ids_of(page):
    tickets = page.orders if isinstance(page, OrderPage) else page.requests
    return [each.id for each in tickets]


def in_pages(read, limit):
    """Return the ids of each page."""
    found, cursor = [], None
    while True:
        page = read(limit=limit, cursor=cursor)
        found.append(ids_of(page))
        if (cursor := page.next) is None:
            return found
        assert len(found) < 50


def test_what_is_in_progress_comes_oldest_first_and_then_the_rest_newest_first(queries, tea):
    tea("paid-1", "Paid")
    tea("new-1")
    tea("rejected", "Rejected")
    tea("delivered", "Delivered")
    tea("paid-2", "Paid")
    expected = ["ord-1", "new-1", "delivered", "paid-2", "rejected", "paid-1"]
    assert ids_of(queries.orders()) == expected
    assert ids_of(queries.orders(session_id="table-7")) == expected
    assert ids_of(queries.orders(actor=ANNA)) == expected
    for limit in (1, 2, 4, 5):
        found = in_pages(queries.orders, limit)
        assert [*chain(*found)] == expected
        assert {len(page) for page in found[:-1]} <= {limit}


def test_orders_of_one_moment_are_each_on_one_page(service, queries):
    for number in range(7):
        service.place_order("table-5", TEA, order_id=f"o-{number}")
        if number % 3:
            service.update_order_status(f"o-{number}", ("Rejected", "Cancelled")[number % 2])
    found = chain(*in_pages(queries.orders, 2))
    assert sorted(found) == [*(f"o-{number}" for number in range(7)), "ord-1"]


@pytest.mark.parametrize("actor", [MIA, EVERYWHERE, ANNA])
@pytest.mark.parametrize("session_id", [None, "table-7"])
def test_each_status_is_found(queries, tea, actor, session_id):
    wanted = ("New", "Complete", "Delivered", "Paid", "Rejected", "Cancelled")
    for status in wanted:
        tea(f"tea-{status}", status)
    for status in wanted:
        page = queries.orders(status=status.lower(), session_id=session_id, actor=actor)
        assert [each for each in ids_of(page) if each != "ord-1"] == [f"tea-{status}"]
        assert {each.status for each in page.orders} == {OrderStatus(status)}
    assert queries.orders(status="in_progress", actor=actor).orders == ()


def test_what_was_left_in_a_session_that_ended_comes_after_what_is_in_progress(
    service, queries, tea
):
    tea("left", "Delivered", session_id="table-5")
    tea("paid", "Paid", session_id="table-9")
    tea("here", "Delivered", session_id="table-9")
    service.create_request("table-5", "bill", request_id="unheard")
    service.close_session("table-5")

    assert ids_of(queries.orders()) == ["ord-1", "here", "paid", "left"]
    assert ids_of(queries.orders(status="Delivered")) == ["here", "left"]
    assert in_pages(lambda **page: queries.orders(status="Delivered", **page), 1) == [
        ["here"],
        ["left"],
    ]
    # The guests have gone, so nobody waits for it.
    assert ids_of(queries.requests(status="New")) == ["req-1"]
    assert ids_of(queries.requests()) == ["req-1", "unheard"]
    assert ids_of(queries.requests(status="New", session_id="table-5")) == ["unheard"]


def test_a_waiter_finds_the_sessions_of_a_day_and_older_ones_by_their_session(
    service, queries, clock, tea
):
    tea("paid", "Paid", session_id="table-5")
    service.close_session("table-5")
    clock.advance(86_000)
    assert ids_of(queries.orders(actor=ANNA)) == ["ord-1", "paid"]
    assert ids_of(queries.orders(actor=ANNA, status="Paid")) == ["paid"]
    clock.advance(1_000)
    assert ids_of(queries.orders(actor=ANNA)) == ["ord-1"]
    assert ids_of(queries.orders(actor=ANNA, status="Paid")) == []
    assert ids_of(queries.orders(actor=ANNA, session_id="table-5")) == ["paid"]


def test_age_counts_from_when_it_was_made(queries, clock, tea):
    tea("old", "Paid")
    tea("new", "Paid")
    clock.advance(30)
    assert ids_of(queries.orders(older_than_seconds=30)) == ["ord-1", "new", "old"]
    assert ids_of(queries.orders(older_than_seconds=31)) == ["ord-1", "old"]
    assert ids_of(queries.orders(older_than_seconds=91, status="Paid")) == []
    assert ids_of(queries.orders(older_than_seconds=151)) == []
    assert ids_of(queries.requests(older_than_seconds=150)) == ["req-1"]


def test_each_is_shown_what_is_theirs(queries, north):
    for read, here, there in (
        (queries.orders, "ord-1", "ord-n"),
        (queries.requests, "req-1", "req-n"),
    ):
        assert ids_of(read(actor=ANNA)) == [here]
        assert ids_of(read(actor=BEN)) == []
        assert ids_of(read(actor=MIA)) == [here]
        assert ids_of(read(actor=NORTH)) == [there]
        assert ids_of(read(actor=EVERYWHERE)) == [here, there]
        assert ids_of(read(actor=EVERYWHERE, venue_id="north")) == [there]
        assert ids_of(read(actor=MIA, venue_id=MAIN_VENUE)) == [here]


@pytest.mark.parametrize("actor", [ANNA, BEN, MIA])
def test_what_is_not_theirs_looks_like_what_is_not_there(queries, north, actor):
    for read in (queries.orders, queries.requests):
        for theirs in (
            {"venue_id": "north"},
            {"venue_id": "nowhere"},
            {"session_id": "north-7"},
            {"session_id": "nowhere"},
        ):
            page = read(actor=actor, **theirs)
            assert (ids_of(page), page.next) == ([], None)


@pytest.mark.parametrize(
    "actor", [Actor.guest("table-7"), Actor.kitchen("main"), Actor.display("main")]
)
def test_others_are_shown_no_list(queries, actor):
    for read in (
        queries.requests,
        queries.orders,
        queries.sessions,
        queries.waiters,
        queries.venues,
    ):
        with pytest.raises(NotPermitted):
            read(actor=actor)


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"status": "eaten"}, "status"),
        ({"venue_id": "a b"}, "venue"),
        ({"session_id": ""}, "session"),
        ({"older_than_seconds": -1}, "older_than_seconds"),
        ({"older_than_seconds": MAX_AGE_SECONDS + 1}, "older_than_seconds"),
        ({"older_than_seconds": True}, "older_than_seconds"),
        ({"limit": 501}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": encode_cursor("waiters", "anna", "", "")}, "cursor"),
        ({"cursor": encode_cursor("orders rest", "now", "x", "")}, "cursor"),
        ({"cursor": encode_cursor("requests rest", "2024-01-15T20:00+00:00", "x", "")}, "cursor"),
    ],
)
def test_a_wrong_filter_is_named_whatever_is_theirs(queries, filters, field):
    for actor in (MIA, ANNA):
        with pytest.raises(ValidationError) as caught:
            queries.orders(actor=actor, **filters)
        assert caught.value.field == field
    # Also where the answer would be empty.
    if field != "venue":
        with pytest.raises(ValidationError):
            queries.orders(actor=MIA, **{"venue_id": "elsewhere", **filters})


def test_a_page_is_never_too_heavy(queries, tea, monkeypatch):
    for number in range(6):
        tea(f"tea-{number}", "Paid")
    monkeypatch.setattr(pages, "MAX_PAGE_WEIGHT", 2_000)
    found = in_pages(queries.orders, 50)
    assert len(found) > 2
    assert [*chain(*found)] == ["ord-1", *(f"tea-{number}" for number in reversed(range(6)))]
