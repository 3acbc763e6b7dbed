"""The floor and the kitchen of a venue, as managers, displays and kitchens read them."""

import pytest


@pytest.fixture
def display(caller):
    return caller("display", "main", venue="main")


@pytest.fixture
def kitchen(caller):
    return caller("kitchen", "main", venue="main")


def test_a_manager_reads_the_whole_floor(manager):
    floor = manager.get("/api/venues/main/floor").json
    assert set(floor) == {
        *("venueId", "venueName", "sessions", "waiters", "takenAt", "cursor", "next")
    }
    assert {each["id"] for each in floor["sessions"]} == {"table-5", "table-7", "table-9"}
    by_id = {each["id"]: each for each in floor["sessions"]}
    assert [each["id"] for each in by_id["table-7"]["requests"]] == ["req-1"]
    assert by_id["table-7"]["requests"][0]["allowed"]
    anna = next(each for each in floor["waiters"] if each["id"] == "anna")
    assert (anna["name"], anna["streams"]) == ("Anna", 0)


def test_a_display_sees_the_floor_without_notes_and_can_do_nothing(service, manager, display):
    service.create_request("table-5", "water", note="for the lady in red")
    service.place_order("table-5", [{"name": "Fish", "quantity": 1}], note="allergic")
    assert "lady in red" in manager.get("/api/venues/main/floor").text
    floor = display.get("/api/venues/main/floor")
    assert floor.status_code == 200
    assert "lady in red" not in floor.text
    assert "allergic" not in floor.text
    tickets = [
        ticket
        for table in floor.json["sessions"]
        for ticket in (*table["requests"], *table["orders"])
    ]
    assert tickets
    assert all(each["note"] is None and each["allowed"] == [] for each in tickets)
    assert display.patch("/api/requests/req-1", {"status": "Acknowledged"}).status_code == 404
    assert display.get("/api/venues/main/kitchen").status_code == 404
    assert display.get("/api/sessions/table-7").status_code == 404


def test_the_kitchen_reads_and_cooks_its_orders(service, kitchen):
    service.update_order_status("ord-1", "Acknowledged")
    found = kitchen.get("/api/venues/main/kitchen").json
    (order,) = [each for each in found["orders"] if each["id"] == "ord-1"]
    assert (order["tableNumber"], order["sessionId"]) == (7, "table-7")
    assert order["allowed"] == ["InProgress"]
    moved = kitchen.patch("/api/orders/ord-1", {"status": "InProgress"})
    assert (moved.status_code, moved.json["status"]) == (200, "InProgress")
    refused = kitchen.patch("/api/orders/ord-1", {"status": "Cancelled"})
    assert (refused.status_code, refused.json["code"]) == (409, "illegal_transition")
    for path in ("/api/venues/main/floor", "/api/sessions/table-7", "/api/waiters/anna/floor"):
        assert kitchen.get(path).status_code in (403, 404)
    assert kitchen.patch("/api/requests/req-1", {"status": "Acknowledged"}).status_code == 404


def test_a_venue_of_others_looks_like_one_that_does_not_exist(manager, caller, service):
    service.add_venue("harbour")
    there = caller("manager", "mia", venue="harbour")
    for venue in ("floor", "kitchen"):
        foreign = manager.get(f"/api/venues/harbour/{venue}")
        unknown = manager.get(f"/api/venues/nowhere/{venue}")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.text.replace("harbour", "nowhere") == unknown.text
        assert there.get(f"/api/venues/harbour/{venue}").status_code == 200
        assert caller("manager", "mia", venue="*").get(f"/api/venues/harbour/{venue}").json
