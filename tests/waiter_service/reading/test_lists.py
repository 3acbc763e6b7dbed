"""Lists, in pages."""

from datetime import UTC, datetime

import pytest

from waiter_service import Actor, Missing, ValidationError
from waiter_service.errors import NotPermitted
from waiter_service.reading.pages import encode_cursor
from waiter_service.store.models import WaiterRow

ANNA, MIA, GUEST = Actor.waiter("anna"), Actor.manager("mia"), Actor.guest("table-7")
EVERYWHERE = Actor.manager("eve", "*")


@pytest.fixture
def north(service):
    """A second venue, where otto is on shift and has table 7."""
    service.add_venue("north", "North", time_zone="Europe/Berlin")
    service.add_waiter("otto", "Otto", venue_id="north")
    service.open_session(7, "otto", session_id="north-7")
    with service.database.writing() as orm:
        orm.get(WaiterRow, "otto").on_shift_since = datetime(2024, 1, 15, tzinfo=UTC)


def entries(read, of):
    """Return the entries of each page, following the cursors of ``read(cursor)``."""
    found, cursor = [], None
    while True:
        page = read(cursor)
        found.append([each.id for each in getattr(page, of)])
        cursor = page.next
        if cursor is None:
            return found
        assert len(found) < 20


@pytest.mark.parametrize("actor", [ANNA, MIA])
def test_waiters_are_listed_by_id_each_once(service, queries, actor):
    service.add_waiter("carl", "Carl")
    assert entries(lambda at: queries.waiters(actor=actor, cursor=at), "waiters") == [
        ["anna", "ben", "carl"]
    ]
    assert entries(lambda at: queries.waiters(limit=2, cursor=at), "waiters") == [
        ["anna", "ben"],
        ["carl"],
    ]
    assert [each.name for each in queries.waiters().waiters] == ["Anna", "Ben", "Carl"]


def test_a_full_last_page_has_no_next_cursor(service, queries):
    assert queries.waiters(limit=2).next is None
    assert queries.sessions(limit=3).next is None


def test_a_manager_lists_all_open_sessions_and_a_waiter_only_their_own(service, queries):
    assert entries(lambda at: queries.sessions(actor=MIA, limit=2, cursor=at), "sessions") == [
        ["table-5", "table-7"],
        ["table-9"],
    ]
    assert entries(lambda at: queries.sessions(actor=ANNA, limit=1, cursor=at), "sessions") == [
        ["table-5"],
        ["table-7"],
    ]
    service.close_session("table-5")
    assert entries(lambda at: queries.sessions(actor=ANNA, cursor=at), "sessions") == [["table-7"]]


def test_sessions_can_be_listed_by_table_number(queries):
    assert [each.id for each in queries.sessions(table_number=9).sessions] == ["table-9"]
    assert queries.sessions(table_number=9, actor=ANNA).sessions == ()
    assert queries.sessions(table_number=10).sessions == ()


def ids_of(entries):
    return [each.id for each in entries]


def test_open_sessions_of_all_venues_are_listed_by_venue_and_table(queries, north):
    pages = entries(lambda at: queries.sessions(actor=EVERYWHERE, limit=2, cursor=at), "sessions")
    assert pages == [["table-5", "table-7"], ["table-9", "north-7"]]
    assert ids_of(queries.sessions(venue_id="north").sessions) == ["north-7"]
    assert ids_of(queries.sessions(table_number=7).sessions) == ["table-7", "north-7"]


def test_closed_sessions_and_all_sessions_are_listed_newest_first(service, queries, clock):
    for session_id in ("first", "second", "third"):
        if session_id == "first":
            service.close_session("table-5")
        clock.advance(60)
        service.open_session(5, "ben", session_id=session_id)
        service.close_session(session_id)
    closed = ["third", "second", "first", "table-5"]

    def read(at):
        return queries.sessions(actor=MIA, is_open=False, limit=3, cursor=at)

    assert entries(read, "sessions") == [closed[:3], closed[3:]]
    all_of_them = ids_of(queries.sessions(is_open=None).sessions)
    assert all_of_them == [*closed[:3], "table-9", "table-7", "table-5"]
    assert ids_of(queries.sessions(is_open=None, table_number=5).sessions) == closed
    assert ids_of(queries.sessions(is_open=False, waiter_id="ben").sessions) == closed[:3]
    assert ids_of(queries.sessions(is_open=False, actor=ANNA).sessions) == ["table-5"]


def test_sessions_are_found_by_waiter(queries):
    assert ids_of(queries.sessions(waiter_id="ben").sessions) == ["table-9"]
    assert ids_of(queries.sessions(waiter_id="ben", table_number=5).sessions) == []
    assert queries.sessions(waiter_id="ben", actor=ANNA).sessions == ()
    assert queries.sessions(waiter_id="nobody").sessions == ()


def test_waiters_are_found_by_venue_and_shift(queries, north):
    assert ids_of(queries.waiters().waiters) == ["anna", "ben", "otto"]
    assert ids_of(queries.waiters(venue_id="north").waiters) == ["otto"]
    assert ids_of(queries.waiters(on_shift=True).waiters) == ["otto"]
    assert ids_of(queries.waiters(on_shift=False).waiters) == ["anna", "ben"]


def test_each_is_shown_the_waiters_and_the_venues_that_they_work_with(queries, north):
    for actor, waiters, venues in (
        (ANNA, ["anna", "ben"], ["main"]),
        (Actor.waiter("otto"), ["otto"], ["north"]),
        (Actor.waiter("nobody"), [], []),
        (MIA, ["anna", "ben"], ["main"]),
        (Actor.manager("nora", "north"), ["otto"], ["north"]),
        (EVERYWHERE, ["anna", "ben", "otto"], ["main", "north"]),
    ):
        assert ids_of(queries.waiters(actor=actor).waiters) == waiters
        assert ids_of(queries.venues(actor=actor).venues) == venues
    assert queries.waiters(actor=MIA, venue_id="north").waiters == ()
    assert queries.sessions(actor=MIA, venue_id="north").sessions == ()
    venue = queries.venue("north")
    assert (venue.name, venue.time_zone) == ("North", "Europe/Berlin")


def test_venues_are_listed_in_pages(queries, north):
    assert entries(lambda at: queries.venues(limit=1, cursor=at), "venues") == [["main"], ["north"]]


@pytest.mark.parametrize("actor", [ANNA, MIA])
def test_another_venue_and_its_waiters_look_unknown(queries, north, actor):
    for read, theirs in ((queries.venue, "north"), (queries.waiter, "otto")):
        with pytest.raises(Missing) as foreign:
            read(theirs, actor=actor)
        with pytest.raises(Missing) as unknown:
            read("nowhere", actor=actor)
        assert foreign.value.thing == unknown.value.thing
    assert queries.venue("main", actor=actor).id == "main"
    assert queries.waiter("ben", actor=actor).name == "Ben"


def test_the_audit_of_a_session_says_who_did_what_when_and_why(service, queries, clock):
    began = clock.now
    clock.advance(60)
    service.update_order_status("ord-1", "InProgress", actor=ANNA, reason="busy")
    service.update_request_status("req-1", "Cancelled", actor=GUEST)
    service.transfer_sessions(
        to_waiter_id="ben", session_ids=["table-7"], actor=MIA, reason="break"
    )
    audit = queries.session_audit("table-7", actor=MIA).audit
    assert [(each.action, each.subject_id, each.from_value, each.to_value) for each in audit] == [
        ("session_opened", "table-7", None, "anna"),
        ("request_status", "req-1", None, "New"),
        ("order_status", "ord-1", None, "New"),
        ("order_status", "ord-1", "New", "InProgress"),
        ("request_status", "req-1", "New", "Cancelled"),
        ("session_transfer", "table-7", "anna", "ben"),
    ]
    by = [f"{each.actor_kind}:{each.actor_id}" for each in audit]
    assert by[2:] == ["system:system", "waiter:anna", "guest:table-7", "manager:mia"]
    assert [each.reason for each in audit] == [None, None, None, "busy", None, "break"]
    assert [each.version for each in audit] == [1, 1, 1, 2, 2, 2]
    assert audit[0].occurred_at == began
    assert audit[3].occurred_at == clock.now

    first = queries.session_audit("table-7", limit=4)
    rest = queries.session_audit("table-7", limit=4, cursor=first.next)
    assert first.audit + rest.audit == audit
    assert rest.next is None


@pytest.mark.parametrize(
    "actor", [GUEST, Actor.waiter("ben"), Actor.manager("nora", "north"), Actor.kitchen("main")]
)
def test_the_audit_is_for_the_sessions_waiter_and_managers(queries, actor):
    with pytest.raises(NotPermitted):
        queries.session_audit("table-7", actor=actor)
    assert len(queries.session_audit("table-7", actor=ANNA).audit) == 3


@pytest.mark.parametrize("place", ["-1", "9" * 30, "x"])
def test_a_forged_cursor_of_an_audit_is_refused(queries, place):
    with pytest.raises(ValidationError):
        queries.session_audit("table-7", cursor=encode_cursor("audit", place, "", ""))


@pytest.mark.parametrize(
    "cursor",
    ["", "x", encode_cursor("floor", "a", "", ""), encode_cursor("sessions", "main", "\u0663", "")],
)
def test_a_cursor_of_another_list_is_refused(queries, cursor):
    for read in (queries.waiters, queries.sessions):
        with pytest.raises(ValidationError) as caught:
            read(cursor=cursor)
        assert caught.value.field == "cursor"


def test_adding_a_waiter_says_whether_they_are_new(service):
    assert service.add_waiter("carl", "Carl").created
    again = service.add_waiter("carl", " Carlo ")
    assert (again.created, again.waiter.name) == (False, "Carlo")


@pytest.mark.parametrize("actor", [Actor.waiter("ben"), Actor.guest("table-9")])
def test_a_foreign_request_or_order_looks_like_an_unknown_one(queries, actor):
    for read, theirs in ((queries.request, "req-1"), (queries.order, "ord-1")):
        with pytest.raises(Missing) as foreign:
            read(theirs, actor=actor)
        with pytest.raises(Missing) as unknown:
            read("nowhere", actor=actor)
        assert foreign.value.thing == unknown.value.thing
