"""Moving requests and orders to other statuses."""

import pytest


def test_a_move_raises_the_version_and_lists_the_next_moves(anna):
    answer = anna.patch(
        "/api/requests/req-1",
        {"status": "Acknowledged", "expectedVersion": 1, "reason": "on my way"},
    )

    assert answer.status_code == 200
    assert answer.json["status"] == "Acknowledged"
    assert answer.json["version"] == 2
    assert answer.json["acknowledgedBy"] == "anna"
    assert answer.json["allowed"] == ["InProgress", "Completed", "OnHold", "Cancelled", "New"]


@pytest.mark.parametrize("spelling", ["in_progress", "in-progress", "InProgress", "IN PROGRESS"])
def test_any_spelling_of_a_status_is_understood(anna, spelling):
    assert anna.patch("/api/orders/ord-1", {"status": spelling}).json["status"] == "InProgress"


def test_setting_the_current_status_changes_nothing(anna):
    first = anna.patch("/api/orders/ord-1", {"status": "Acknowledged"})
    again = anna.patch("/api/orders/ord-1", {"status": "Acknowledged"})

    assert again.status_code == 200
    assert again.json == first.json


@pytest.mark.parametrize("path", ["/api/requests/req-1", "/api/orders/ord-1"])
def test_an_illegal_move_lists_the_legal_ones(anna, path):
    anna.patch(path, {"status": "Cancelled"})
    refused = anna.patch(path, {"status": "InProgress"})

    assert refused.status_code == 409
    assert refused.content_type == "application/problem+json"
    assert refused.json["currentStatus"] == "Cancelled"
    assert refused.json["requestedStatus"] == "InProgress"
    assert refused.json["allowed"] == []
    assert refused.json["version"] == 2


def test_the_second_of_two_callers_is_told_the_current_status(anna, manager):
    assert (
        manager.patch(
            "/api/orders/ord-1", {"status": "Acknowledged", "expectedVersion": 1}
        ).status_code
        == 200
    )
    refused = anna.patch("/api/orders/ord-1", {"status": "Acknowledged", "expectedVersion": 1})

    assert refused.status_code == 409
    assert refused.json["currentStatus"] == refused.json["requestedStatus"] == "Acknowledged"
    assert refused.json["version"] == 2
    assert "Rejected" in refused.json["allowed"]


def test_a_client_that_counts_versions_from_zero_is_told_the_current_version(anna):
    refused = anna.patch("/api/orders/ord-1", {"status": "Acknowledged", "expectedVersion": 0})

    assert (refused.status_code, refused.json["version"]) == (409, 1)


def test_guests_can_cancel_until_staff_accept(guest, anna):
    anna.patch("/api/requests/req-1", {"status": "InProgress"})
    refused = guest.patch("/api/requests/req-1", {"status": "Cancelled"})
    assert (refused.status_code, refused.json["allowed"]) == (409, [])

    assert guest.patch("/api/orders/ord-1", {"status": "Cancelled"}).status_code == 200


def test_only_a_manager_moves_a_delivered_order_back(anna, manager):
    for status in ("InProgress", "Complete", "Delivered"):
        anna.patch("/api/orders/ord-1", {"status": status})

    assert anna.patch("/api/orders/ord-1", {"status": "Cancelled"}).status_code == 409
    assert manager.patch("/api/orders/ord-1", {"status": "Cancelled"}).status_code == 200


def test_guests_cannot_move_anything_in_a_closed_session(guest, anna):
    anna.post("/api/sessions/table-7/close", {"force": True, "reason": "gone"})

    refused = guest.patch("/api/orders/ord-1", {"status": "Cancelled"})
    assert (refused.status_code, refused.json["sessionId"]) == (409, "table-7")
    assert anna.patch("/api/orders/ord-1", {"status": "Cancelled"}).status_code == 200
