"""What lists show with each filter, and to whom."""

import pytest


@pytest.fixture
def owner(caller):
    return caller("manager", "olga", venue="*")


@pytest.fixture
def harbour(owner):
    """A second venue with one waiter, Hana."""
    body = {"id": "harbour", "name": "At the Harbour", "timeZone": "Europe/Lisbon"}
    assert owner.post("/api/venues", body).status_code == 201
    hana = {"id": "hana", "name": "Hana", "venueId": "harbour"}
    assert owner.post("/api/waiters", hana).status_code == 201
    return "harbour"


def ids(answer, name):
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json[name]]


def test_venues_are_added_listed_and_read(owner, manager, harbour):
    assert ids(owner.get("/api/venues"), "venues") == ["harbour", "main"]
    assert ids(manager.get("/api/venues"), "venues") == ["main"]
    assert owner.get("/api/venues/harbour").json == {
        "id": "harbour",
        "name": "At the Harbour",
        "timeZone": "Europe/Lisbon",
    }
    assert manager.get("/api/venues/harbour").status_code == 404
    again = owner.post("/api/venues", {"id": "harbour", "name": "Hafen"})
    assert (again.status_code, again.json["name"]) == (200, "Hafen")
    assert manager.post("/api/venues", {"id": "hill"}).status_code == 404
    refused = owner.post("/api/venues", {"id": "hill", "timeZone": "Middle/Earth"})
    assert refused.status_code == 422
    assert ids(owner.get("/api/venues"), "venues") == ["harbour", "main"]


def test_waiters_are_found_by_venue_and_shift(owner, manager, anna, harbour):
    assert ids(owner.get("/api/waiters"), "waiters") == ["anna", "ben", "hana"]
    assert ids(owner.get("/api/waiters?venue=harbour"), "waiters") == ["hana"]
    assert ids(manager.get("/api/waiters?venue=harbour"), "waiters") == []
    anna.post("/api/waiters/anna/shift/start")
    assert ids(manager.get("/api/waiters?onShift=true"), "waiters") == ["anna"]
    assert ids(manager.get("/api/waiters?onShift=false"), "waiters") == ["ben"]
    assert manager.get("/api/waiters/anna").json["onShift"] is True
    assert manager.get("/api/waiters/hana").status_code == 404


def test_sessions_are_found_by_state_table_and_waiter(manager, anna):
    assert ids(manager.get("/api/sessions?waiter=ben"), "sessions") == ["table-9"]
    assert ids(anna.get("/api/sessions?waiter=ben"), "sessions") == []
    assert manager.post("/api/sessions/table-9/close").status_code == 200
    assert ids(manager.get("/api/sessions"), "sessions") == ["table-5", "table-7"]
    assert ids(manager.get("/api/sessions?open=false"), "sessions") == ["table-9"]
    assert len(ids(manager.get("/api/sessions?open=all"), "sessions")) == 3
    assert ids(manager.get("/api/sessions?open=all&table=9"), "sessions") == ["table-9"]


def test_requests_and_orders_are_found_by_status_session_and_age(manager, ben):
    assert ids(manager.get("/api/requests"), "requests") == ["req-1"]
    assert ids(manager.get("/api/orders?status=new&session=table-7"), "orders") == ["ord-1"]
    assert ids(manager.get("/api/orders?status=Complete"), "orders") == []
    assert ids(manager.get("/api/requests?olderThanSeconds=86400"), "requests") == []
    assert ids(ben.get("/api/requests"), "requests") == []
    assert manager.get("/api/orders/ord-1").json["sessionId"] == "table-7"


def test_guests_read_their_own_request_and_order_and_no_list(guest, caller):
    assert guest.get("/api/requests/req-1").json["id"] == "req-1"
    assert guest.get("/api/orders/ord-1").json["id"] == "ord-1"
    assert caller("customer", "table-5").get("/api/orders/ord-1").status_code == 404
    assert guest.get("/api/orders").status_code == 403


def test_the_audit_of_a_session_says_who_did_what(anna, guest, ben):
    anna.patch("/api/orders/ord-1", {"status": "Rejected", "reason": "sold out"})
    entries = anna.get("/api/sessions/table-7/audit").json["audit"]
    last = entries[-1]
    assert (last["actorKind"], last["actorId"], last["reason"]) == ("waiter", "anna", "sold out")
    assert (last["subjectId"], last["fromValue"], last["toValue"]) == ("ord-1", "New", "Rejected")
    first = anna.get("/api/sessions/table-7/audit?limit=1").json
    rest = anna.get(f"/api/sessions/table-7/audit?cursor={first['next']}").json
    assert first["audit"] + rest["audit"] == entries
    assert guest.get("/api/sessions/table-7/audit").status_code == 403
    assert ben.get("/api/sessions/table-7/audit").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "named"),
    [
        ("/api/sessions?open=maybe", 422, "open"),
        ("/api/sessions?table=0", 422, "table"),
        ("/api/sessions?waiter=a%20b", 422, "waiter"),
        ("/api/waiters?onShift=yes", 422, "onShift"),
        ("/api/orders?status=Eaten", 422, "status"),
        ("/api/orders?olderThanSeconds=-1", 422, "olderThanSeconds"),
        ("/api/requests?venue=%00", 422, "venue"),
        ("/api/requests?colour=red", 400, "colour"),
        ("/api/venues?venue=main", 400, "venue"),
    ],
)
def test_a_bad_or_unknown_filter_is_refused_by_name(manager, path, status, named):
    refused = manager.get(path)
    assert refused.status_code == status
    assert named in refused.text


def test_a_filter_that_is_given_twice_is_refused(manager):
    refused = manager.get("/api/orders?status=New&status=Paid")
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json["errors"]] == ["status"]


def test_a_guest_may_set_nothing_once_the_session_is_closed(guest, service):
    assert guest.get("/api/requests/req-1").json["allowed"] == ["Cancelled"]
    service.update_order_status("ord-1", "Cancelled")
    service.close_session("table-7")
    assert guest.get("/api/requests/req-1").json["allowed"] == []
