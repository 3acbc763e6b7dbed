"""Waiters and sessions are listed, and managers add waiters."""

from typing import Any

import pytest

from waiter_service.reading.pages import encode_cursor


def _waiter(waiter_id: str, name: str) -> dict[str, object]:
    """Return a waiter of the only venue, who has never started a shift."""
    return {
        "id": waiter_id,
        "venueId": "main",
        "name": name,
        "onShift": False,
        "onShiftSince": None,
    }


def test_staff_list_the_waiters_in_pages(anna, manager):
    first = manager.get("/api/waiters?limit=1").json
    assert first["waiters"] == [_waiter("anna", "Anna")]
    last = manager.get(f"/api/waiters?limit=1&cursor={first['next']}").json
    assert last == {"waiters": [_waiter("ben", "Ben")], "next": None}
    assert len(anna.get("/api/waiters").json["waiters"]) == 2


def test_managers_list_all_open_sessions_and_waiters_only_their_own(anna, manager):
    assert [each["id"] for each in manager.get("/api/sessions").json["sessions"]] == [
        "table-5",
        "table-7",
        "table-9",
    ]
    first = anna.get("/api/sessions?limit=1").json
    assert [each["tableNumber"] for each in first["sessions"]] == [5]
    last = anna.get(f"/api/sessions?limit=1&cursor={first['next']}").json
    assert ([each["tableNumber"] for each in last["sessions"]], last["next"]) == ([7], None)


def test_a_listed_session_equals_the_session_read_alone(manager):
    [listed] = manager.get("/api/sessions?table=7").json["sessions"]
    read = manager.get("/api/sessions/table-7").json
    assert listed == {key: read[key] for key in listed}


def test_a_waiter_cannot_tell_another_waiters_table_from_a_free_one(anna):
    nothing: dict[str, Any] = {"sessions": [], "next": None}
    assert anna.get("/api/sessions?table=9").json == nothing
    assert anna.get("/api/sessions?table=10").json == nothing


@pytest.mark.parametrize("path", ["/api/waiters", "/api/sessions"])
def test_lists_are_for_staff(guest, anonymous, path):
    assert guest.get(path).status_code == 403
    assert anonymous.get(path).status_code == 401


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("table=0", "table"),
        ("table=10000", "table"),
        ("table=five", "table"),
        ("table=", "table"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("cursor=x", "cursor"),
    ],
)
def test_a_wrong_parameter_is_named(manager, query, field):
    refused = manager.get(f"/api/sessions?{query}")
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json["errors"]] == [field]


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/api/sessions/table-7", ("open", "", "1", "\ud800")),
        ("/api/sessions/table-7", ("finished", "2024-01-15T20:00:00+00:00", "1", "\ud800")),
        ("/api/waiters/anna/floor", ("floor", "\ud800", "", "")),
        ("/api/waiters", ("waiters", "\ud800", "", "")),
        ("/api/sessions", ("sessions", "\ud800", "", "")),
    ],
)
def test_a_forged_cursor_is_named(manager, path, parts):
    refused = manager.get(f"{path}?cursor={encode_cursor(*parts)}")
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json["errors"]] == ["cursor"]


def test_a_manager_adds_a_waiter_who_then_opens_a_table(manager, caller):
    added = manager.post("/api/waiters", {"id": "carl", "name": "Carl"})
    assert (added.status_code, added.json) == (201, _waiter("carl", "Carl"))

    opened = caller("waiter", "carl").post("/api/sessions", {"tableNumber": 3})
    assert (opened.status_code, opened.json["session"]["waiterId"]) == (201, "carl")


def test_adding_a_known_waiter_corrects_the_name(manager):
    again = manager.post("/api/waiters", {"id": "anna", "name": "Anna Maria"})
    assert (again.status_code, again.json["name"]) == (200, "Anna Maria")
    assert manager.get("/api/waiters/anna/floor").json["waiterName"] == "Anna Maria"


def test_waiters_cannot_add_waiters(anna, guest, manager):
    for caller in (anna, guest):
        refused = caller.post("/api/waiters", {"id": "carl", "name": "Carl"})
        assert (refused.status_code, refused.json["code"]) == (403, "not_allowed")
    assert len(manager.get("/api/waiters").json["waiters"]) == 2
