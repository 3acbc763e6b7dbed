"""Lists, in pages."""

import pytest

from waiter_service import Actor, ValidationError
from waiter_service.errors import NotPermitted
from waiter_service.reading.pages import encode_cursor

ANNA, MIA, GUEST = Actor.waiter("anna"), Actor.manager("mia"), Actor.guest("table-7")
EVERYWHERE = Actor.manager("eve", "*")


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


def test_guests_cannot_list_anything(queries):
    with pytest.raises(NotPermitted):
        queries.waiters(actor=GUEST)
    with pytest.raises(NotPermitted):
        queries.sessions(actor=GUEST)


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
