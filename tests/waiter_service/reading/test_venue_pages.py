"""The pages of a venue that managers and kitchens read."""

import pytest

from waiter_service import Actor, FloorQueries, Missing
from waiter_service.reading import pages

DISH = [{"name": "Fish", "quantity": 2}]
KITCHEN = Actor.kitchen("main")


@pytest.fixture
def queries(service):
    return FloorQueries(service.database)


def cook(service, session_id, *statuses):
    """Place an order, a minute after the last, and move it through ``statuses``."""
    service._clock.advance(60)
    order = service.place_order(session_id, DISH, note="no salt")
    for status in statuses:
        service.update_order_status(order.id, status)
    return order.id


def test_the_floor_shows_all_sessions_of_the_venue_and_nothing_of_another(service, queries):
    service.add_venue("harbour")
    service.add_waiter("hana", "Hana", venue_id="harbour")
    there = service.open_session(7, "hana")
    service.create_request(there.id, "water")

    harbour = queries.venue_floor("harbour")
    assert [each.session.id for each in harbour.sessions] == [there.id]
    assert [each.kind for each in harbour.sessions[0].requests] == ["water"]
    assert [each.id for each in harbour.waiters] == ["hana"]
    main = queries.venue_floor("main", actor=Actor.manager("boss"))
    assert there.id not in {each.session.id for each in main.sessions}
    assert {each.session.venue_id for each in main.sessions} == {"main"}
    assert "hana" not in {each.id for each in main.waiters}


def test_pages_of_the_floor_together_show_each_session_once(service, queries):
    wanted = {each.session.id for each in queries.venue_floor("main").sessions}
    wanted |= {service.open_session(100 + number, "ben").id for number in range(5)}
    seen, cursor = [], None
    while True:
        page = queries.venue_floor("main", limit=2, cursor=cursor)
        seen += [each.session.id for each in page.sessions]
        cursor = page.next
        if cursor is None:
            break
    assert sorted(seen) == sorted(wanted)


def test_the_kitchen_sees_orders_until_they_are_delivered_oldest_first(service, queries):
    session = service.open_session(70, "ben")
    cooking = cook(service, session.id, "Acknowledged", "InProgress")
    ready = cook(service, session.id, "InProgress", "Complete")
    cook(service, session.id, "InProgress", "Complete", "Delivered")
    cook(service, session.id, "Cancelled")
    new = cook(service, session.id)

    kitchen = queries.venue_kitchen("main", actor=KITCHEN)
    ours = [each for each in kitchen.orders if each.table_number == 70]
    assert [each.order.id for each in ours] == [cooking, ready, new]
    assert {each.order.note for each in ours} == {"no salt"}


def test_a_session_closed_by_force_leaves_its_orders_in_the_kitchen(service, queries):
    session = service.open_session(70, "ben")
    order = cook(service, session.id, "InProgress")
    service.close_session(session.id, force=True, reason="the guests had to leave")
    assert order in {each.order.id for each in queries.venue_kitchen("main").orders}
    service.update_order_status(order, "Complete")
    service.update_order_status(order, "Delivered")
    assert order not in {each.order.id for each in queries.venue_kitchen("main").orders}


def test_pages_of_the_kitchen_together_show_each_order_once(service, queries, monkeypatch):
    session = service.open_session(70, "ben")
    wanted = [cook(service, session.id) for _ in range(7)]
    # Some pages end because they are heavy, others because they are long.
    monkeypatch.setattr(pages, "MAX_PAGE_WEIGHT", 1700)
    seen, cursor = [], None
    while True:
        page = queries.venue_kitchen("main", limit=3, cursor=cursor)
        assert 0 < len(page.orders) <= 3
        seen += [each.order.id for each in page.orders if each.table_number == 70]
        cursor = page.next
        if cursor is None:
            break
    assert sorted(seen) == sorted(wanted)


@pytest.mark.parametrize(
    ("actor", "may_read"),
    [
        (Actor.manager("boss"), ["floor", "kitchen"]),
        (Actor.manager("boss", "*"), ["floor", "kitchen"]),
        (Actor.manager("boss", "harbour"), []),
        (Actor.kitchen("main"), ["kitchen"]),
        (Actor.kitchen("harbour"), []),
        (Actor.display("main"), ["floor"]),
        (Actor.display("harbour"), []),
        (Actor.waiter("anna"), []),
        (Actor.guest("table-7"), []),
    ],
    ids=str,
)
def test_a_venues_pages_are_only_for_its_managers_kitchen_and_displays(queries, actor, may_read):
    for name, read in (("floor", queries.venue_floor), ("kitchen", queries.venue_kitchen)):
        if name in may_read:
            assert read("main", actor=actor).venue.id == "main"
        else:
            with pytest.raises(Missing):
                read("main", actor=actor)


@pytest.mark.parametrize("venue_id", ["nowhere", "", "a b", "\0"])
def test_an_unknown_venue_has_no_floor_and_no_kitchen(queries, venue_id):
    for read in (queries.venue_floor, queries.venue_kitchen):
        with pytest.raises(Missing):
            read(venue_id)
