"""Lists are filtered by what the query names, and each thing is read by its id."""

import pytest


@pytest.fixture
def north(service, caller):
    """A second venue with a table 7 of its own; its manager."""
    service.add_venue("north", "North", time_zone="Europe/Berlin")
    service.add_waiter("nora", "Nora", venue_id="north")
    service.open_session(7, "nora", session_id="north-7")
    service.create_request("north-7", "water", request_id="north-req")
    service.place_order("north-7", [{"name": "Tea", "quantity": 1}], order_id="north-ord")
    return caller("manager", "nils", venue="north")


@pytest.fixture
def everywhere(caller):
    """A manager of all venues."""
    return caller("manager", "olga", venue="*")


def ids(answer, name):
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json[name]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["table-5", "table-7", "table-9", "north-7"]),
        ("?venue=north", ["north-7"]),
        ("?table=7", ["table-7", "north-7"]),
        ("?table=7&venue=main", ["table-7"]),
        ("?waiter=ben", ["table-9"]),
        ("?waiter=ben&table=7", []),
        ("?venue=nowhere", []),
    ],
)
def test_open_sessions_by_table_waiter_and_venue(everywhere, north, query, found):
    assert sorted(ids(everywhere.get(f"/api/sessions{query}"), "sessions")) == sorted(found)


def test_closed_sessions_and_all_are_listed_on_request(manager, service):
    service.close_session("table-9")
    assert ids(manager.get("/api/sessions?open=true"), "sessions") == ["table-5", "table-7"]
    assert ids(manager.get("/api/sessions?open=false"), "sessions") == ["table-9"]
    found = ids(manager.get("/api/sessions?open=all"), "sessions")
    assert sorted(found) == ["table-5", "table-7", "table-9"]


def test_waiters_by_venue_and_shift(everywhere, north, service):
    service.start_shift("nora")
    assert ids(everywhere.get("/api/waiters?venue=north"), "waiters") == ["nora"]
    assert ids(everywhere.get("/api/waiters?onShift=true"), "waiters") == ["nora"]
    assert ids(everywhere.get("/api/waiters?onShift=false"), "waiters") == ["anna", "ben"]


@pytest.mark.parametrize(
    ("what", "main", "other"),
    [("requests", "req-1", "north-req"), ("orders", "ord-1", "north-ord")],
)
def test_requests_and_orders_by_status_venue_session_and_age(
    everywhere, north, service, what, main, other
):
    path = f"/api/{what}"
    assert sorted(ids(everywhere.get(path), what)) == sorted([main, other])
    assert ids(everywhere.get(f"{path}?venue=north"), what) == [other]
    assert ids(everywhere.get(f"{path}?session=table-7"), what) == [main]
    assert sorted(ids(everywhere.get(f"{path}?status=new"), what)) == sorted([main, other])
    assert ids(everywhere.get(f"{path}?status=in_progress"), what) == []
    assert ids(everywhere.get(f"{path}?olderThanSeconds=3600&venue=north"), what) == []
    assert ids(everywhere.get(f"{path}?olderThanSeconds=0&venue=north"), what) == [other]

    first = everywhere.get(f"{path}?limit=1&status=New").json
    last = everywhere.get(f"{path}?limit=1&status=New&cursor={first['next']}").json
    assert sorted(each["id"] for each in first[what] + last[what]) == sorted([main, other])
    assert last["next"] is None


def test_each_list_shows_what_is_the_callers(manager, anna, ben, north):
    assert ids(north.get("/api/venues"), "venues") == ["north"]
    assert ids(manager.get("/api/venues"), "venues") == ["main"]
    assert ids(anna.get("/api/venues"), "venues") == ["main"]
    assert ids(north.get("/api/waiters"), "waiters") == ["nora"]
    assert ids(manager.get("/api/waiters?venue=north"), "waiters") == []
    assert ids(manager.get("/api/sessions?venue=north"), "sessions") == []
    for what, own, theirs in (("requests", "req-1", "north-req"), ("orders", "ord-1", "north-ord")):
        assert ids(north.get(f"/api/{what}"), what) == [theirs]
        assert ids(manager.get(f"/api/{what}"), what) == [own]
        assert ids(anna.get(f"/api/{what}"), what) == [own]
        assert ids(ben.get(f"/api/{what}"), what) == []
        assert ids(ben.get(f"/api/{what}?session=table-7"), what) == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("sessions?open=yes", "open"),
        ("sessions?waiter=a%20b", "waiter"),
        ("sessions?venue=*", "venue"),
        ("waiters?onShift=1", "onShift"),
        ("waiters?venue=", "venue"),
        ("requests?status=Eaten", "status"),
        ("orders?status=", "status"),
        ("requests?session=%00", "session"),
        ("orders?olderThanSeconds=-1", "olderThanSeconds"),
        ("orders?olderThanSeconds=9999999999", "olderThanSeconds"),
        ("requests?olderThanSeconds=1.5", "olderThanSeconds"),
    ],
)
def test_a_filter_with_an_invalid_value_is_named(manager, path, field):
    refused = manager.get(f"/api/{path}")
    assert (refused.status_code, refused.json["code"]) == (422, "invalid_fields")
    assert [each["field"] for each in refused.json["errors"]] == [field]


@pytest.mark.parametrize(
    "path", ["venues?open=true", "waiters?table=7", "sessions?status=New", "orders?onShift=true"]
)
def test_a_filter_of_another_list_is_refused(manager, path):
    refused = manager.get(f"/api/{path}")
    assert (refused.status_code, refused.json["code"]) == (400, "unknown_query_parameter")


def test_a_request_and_an_order_read_alone_equal_those_in_the_snapshot(guest, anna):
    for caller in (guest, anna):
        snapshot = caller.get("/api/sessions/table-7").json
        assert caller.get("/api/requests/req-1").json == snapshot["requests"][0]
        assert caller.get("/api/orders/ord-1").json == snapshot["orders"][0]


def test_a_guest_whose_session_is_closed_may_move_nothing(service, guest):
    assert guest.get("/api/orders/ord-1").json["allowed"] != []
    service.close_session("table-7", reason="a test", force=True)
    order = guest.get("/api/orders/ord-1")
    assert order.status_code == 200
    assert order.json == guest.get("/api/sessions/table-7").json["orders"][0]
    assert order.json["allowed"] == []


def test_a_waiter_reads_colleagues_and_nobody_of_another_venue(anna, north):
    assert anna.get("/api/waiters/ben").json["name"] == "Ben"
    foreign, unknown = anna.get("/api/waiters/nora"), anna.get("/api/waiters/nobody")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.data == unknown.data


def test_a_manager_cannot_tell_another_venue_from_one_that_does_not_exist(manager, north):
    foreign, unknown = manager.get("/api/venues/north"), manager.get("/api/venues/nowhere")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.data == unknown.data


def test_the_audit_of_a_session_is_read_in_pages_by_staff(anna, guest, ben):
    anna.patch("/api/orders/ord-1", {"status": "Acknowledged"})
    whole = anna.get("/api/sessions/table-7/audit").json["audit"]
    assert (whole[-1]["actorId"], whole[-1]["subjectId"]) == ("anna", "ord-1")
    assert (whole[-1]["fromValue"], whole[-1]["toValue"]) == ("New", "Acknowledged")

    first = anna.get("/api/sessions/table-7/audit?limit=1").json
    assert first["audit"] == whole[:1]
    rest = anna.get(f"/api/sessions/table-7/audit?cursor={first['next']}").json
    assert rest == {"audit": whole[1:], "next": None}
    assert guest.get("/api/sessions/table-7/audit").status_code == 403
    assert ben.get("/api/sessions/table-7/audit").status_code == 404


def test_a_manager_of_all_venues_adds_a_venue_and_a_waiter_to_it(everywhere):
    body = {"id": "harbour", "name": "The Harbour", "timeZone": "Europe/Berlin"}
    added = everywhere.post("/api/venues", body)
    assert (added.status_code, added.json) == (201, body)
    assert everywhere.get("/api/venues/harbour").json == body
    waiter = everywhere.post("/api/waiters", {"id": "hal", "name": "Hal", "venueId": "harbour"})
    assert (waiter.status_code, waiter.json["venueId"]) == (201, "harbour")
    plain = everywhere.post("/api/venues", {"id": "quay"}).json
    assert plain == {"id": "quay", "name": "quay", "timeZone": "UTC"}


def test_a_manager_of_one_venue_changes_theirs_and_adds_none(north, manager, anna):
    changed = north.post("/api/venues", {"id": "north", "name": "North Pier"})
    assert (changed.status_code, changed.json["name"]) == (200, "North Pier")
    assert changed.json["timeZone"] == "Europe/Berlin"

    existing = manager.post("/api/venues", {"id": "north", "name": "Mine"})
    new = manager.post("/api/venues", {"id": "south", "name": "Mine"})
    assert existing.status_code == new.status_code == 404
    assert existing.data == new.data
    assert anna.post("/api/venues", {"id": "main", "name": "Mine"}).status_code == 403
    assert north.get("/api/venues/north").json["name"] == "North Pier"


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd"])
def test_a_time_zone_that_does_not_exist_is_named(everywhere, zone):
    refused = everywhere.post("/api/venues", {"id": "harbour", "timeZone": zone})
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json["errors"]] == ["timeZone"]
