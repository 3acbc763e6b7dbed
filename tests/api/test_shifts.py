"""Shifts: waiters who are at work and can get tables."""


def test_a_waiter_starts_and_ends_their_own_shift(anna):
    anna.post("/api/waiters/anna/transfers", {"toWaiterId": "ben"})
    started = anna.post("/api/waiters/anna/shift/start")
    again = anna.post("/api/waiters/anna/shift/start")
    ended = anna.post("/api/waiters/anna/shift/end")

    assert started.status_code == again.status_code == ended.status_code == 200
    assert started.json == again.json
    assert (started.json["id"], started.json["onShift"]) == ("anna", True)
    assert started.json["onShiftSince"] is not None
    assert (ended.json["onShift"], ended.json["onShiftSince"]) == (False, None)


def test_a_shift_with_tables_in_hand_does_not_end_and_names_them(anna):
    anna.post("/api/waiters/anna/shift/start")
    refused = anna.post("/api/waiters/anna/shift/end")

    assert refused.status_code == 409
    assert refused.json["code"] == "tables_in_hand"
    assert refused.json["waiterId"] == "anna"
    assert refused.json["sessions"] == [
        {"sessionId": "table-5", "tableNumber": 5},
        {"sessionId": "table-7", "tableNumber": 7},
    ]


def test_at_the_end_of_a_shift_a_colleague_on_shift_takes_over(anna, ben):
    anna.post("/api/waiters/anna/shift/start")
    body = {"toWaiterId": "ben", "reason": "tired"}
    refused = anna.post("/api/waiters/anna/shift/end", body)
    assert (refused.status_code, refused.json["code"]) == (409, "waiter_off_shift")
    assert refused.json["waiterId"] == "ben"

    ben.post("/api/waiters/ben/shift/start")
    ended = anna.post("/api/waiters/anna/shift/end", body)

    assert (ended.status_code, ended.json["onShift"]) == (200, False)
    assert len(ben.get("/api/waiters/ben/floor").json["sessions"]) == 3


def test_nobody_off_shift_is_given_a_table_once_the_venue_uses_shifts(anna, ben):
    anna.post("/api/waiters/anna/shift/start")
    for refused in (
        ben.post("/api/sessions", {"tableNumber": 3}),
        anna.post("/api/waiters/anna/transfers", {"toWaiterId": "ben"}),
        anna.post("/api/waiters/anna/offers", {"toWaiterId": "ben"}),
    ):
        assert (refused.status_code, refused.json["code"]) == (409, "waiter_off_shift")


def test_managers_start_and_end_any_shift_and_waiters_no_colleagues(anna, manager):
    for verb in ("start", "end"):
        assert anna.post(f"/api/waiters/ben/shift/{verb}").status_code == 404
    assert manager.post("/api/waiters/ben/shift/start").json["onShift"]
    assert manager.post("/api/waiters/nobody/shift/start").status_code == 404
    assert not manager.post("/api/waiters/anna/shift/end").json["onShift"]


def test_the_retry_of_an_end_is_answered_as_the_first_time(anna, service):
    anna.post("/api/waiters/anna/shift/start")
    service.start_shift("ben")
    key = {"Idempotency-Key": "evening"}
    body = {"toWaiterId": "ben"}
    ended = anna.post("/api/waiters/anna/shift/end", body, headers=key)
    service.start_shift("anna")
    again = anna.post("/api/waiters/anna/shift/end", body, headers=key)

    assert again.data == ended.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert not service.start_shift("anna").changed, "the retry ended no second shift"
