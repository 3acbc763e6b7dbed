"""Transfers of tables between waiters."""

from waiter_service import SessionTransfer, TransferCause, signals


class Heard:
    """Collects the changes that a signal sends."""

    def __init__(self):
        self.changes: list[SessionTransfer] = []

    def __call__(self, _sender, *, change):
        self.changes.append(change)


def test_a_waiter_transfers_all_tables(anna, ben):
    answer = anna.post("/api/waiters/anna/transfers", {"toWaiterId": "ben", "reason": "shift"})

    assert answer.status_code == 200
    assert answer.json["toWaiterId"] == "ben"
    assert [each["id"] for each in answer.json["moved"]] == ["table-5", "table-7"]
    assert {each["waiterId"] for each in answer.json["moved"]} == {"ben"}
    assert anna.get("/api/waiters/anna/floor").json["sessions"] == []
    assert len(ben.get("/api/waiters/ben/floor").json["sessions"]) == 3


def test_guests_are_told_the_cause_of_a_transfer(anna, service):
    with signals.session_transferred.connected_to(heard := Heard()):
        body = {"toWaiterId": "ben", "cause": "workload", "reason": "too many tables"}
        assert anna.post("/api/waiters/anna/transfers", body).status_code == 200
        service.flush()
    assert {change.cause for change in heard.changes} == {TransferCause.WORKLOAD}


def test_an_unknown_cause_is_refused_with_a_list_of_the_legal_ones(anna):
    answer = anna.post("/api/waiters/anna/transfers", {"toWaiterId": "ben", "cause": "whim"})

    assert answer.status_code == 422
    [error] = answer.json["errors"]
    assert error["field"] == "cause"
    assert "'section_change'" in error["message"]
    assert len(anna.get("/api/waiters/anna/floor").json["sessions"]) == 2


def test_repeating_a_finished_transfer_succeeds(anna):
    body = {"toWaiterId": "ben", "sessionIds": ["table-5"]}
    anna.post("/api/waiters/anna/transfers", body)
    again = anna.post("/api/waiters/anna/transfers", body)

    assert again.status_code == 200
    assert again.json["moved"] == []
    assert [each["id"] for each in again.json["alreadyThere"]] == ["table-5"]


def test_a_former_waiter_learns_nothing_new_by_repeating_a_transfer(anna, ben):
    for selection in ({"sessionIds": ["table-5"]}, {"sessionIds": ["table-5", "table-7"]}):
        body = {"toWaiterId": "ben", **selection}
        anna.post("/api/waiters/anna/transfers", body)
        [before] = [
            each
            for each in anna.post("/api/waiters/anna/transfers", body).json["alreadyThere"]
            if each["id"] == "table-5"
        ]
        ben.post("/api/sessions/table-5/close")
        after = anna.post("/api/waiters/anna/transfers", body)
        assert after.status_code == 200
        assert before in after.json["alreadyThere"]
        assert before["closedAt"] is None
        assert before["version"] == 2


def test_one_session_that_cannot_be_transferred_stops_the_whole_transfer(manager):
    manager.patch("/api/orders/ord-1", {"status": "Cancelled"})
    manager.post("/api/sessions/table-7/close")
    refused = manager.post(
        "/api/waiters/anna/transfers",
        {"toWaiterId": "ben", "sessionIds": ["table-5", "table-7", "table-9", "nowhere"]},
    )

    assert refused.status_code == 409
    assert refused.json["refused"] == [
        {"sessionId": "table-7", "reason": "closed"},
        {"sessionId": "table-9", "reason": "not held by anna"},
        {"sessionId": "nowhere", "reason": "unknown"},
    ]
    assert manager.get("/api/sessions/table-5").json["waiterId"] == "anna"


def test_a_waiter_can_transfer_only_their_own_tables(anna):
    assert anna.post("/api/waiters/ben/transfers", {"toWaiterId": "anna"}).status_code == 404
    refused = anna.post(
        "/api/waiters/anna/transfers", {"toWaiterId": "ben", "sessionIds": ["table-9"]}
    )
    assert refused.status_code == 409
    assert anna.get("/api/sessions/table-9").status_code == 404


def test_foreign_and_unknown_sessions_are_refused_in_the_same_way(ben):
    refused = ben.post(
        "/api/waiters/ben/transfers",
        {"toWaiterId": "ben", "sessionIds": ["table-5", "nowhere"]},
    )
    first, second = refused.json["refused"]
    assert first["reason"] == second["reason"]
