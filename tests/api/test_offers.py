"""Offers: tables go to another waiter once that waiter agrees."""

import pytest

OFFER = {
    *("id", "venueId", "fromWaiterId", "toWaiterId", "sessionIds"),
    *("outcome", "createdAt", "expiresAt", "settledAt", "version"),
}


@pytest.fixture
def carl(service, caller):
    service.add_waiter("carl", "Carl")
    return caller("waiter", "carl")


@pytest.fixture
def offer(anna):
    """An offer of anna's tables to ben, as the API answers it."""
    made = anna.post("/api/waiters/anna/offers", {"toWaiterId": "ben"})
    assert made.status_code == 201
    return made


def test_an_offer_moves_nothing_until_it_is_accepted(offer, anna, ben):
    assert offer.json.keys() == OFFER
    assert offer.headers["Location"] == f"/api/offers/{offer.json['id']}"
    assert offer.json["sessionIds"] == ["table-5", "table-7"]
    assert (offer.json["outcome"], offer.json["settledAt"]) == (None, None)
    assert len(anna.get("/api/waiters/anna/floor").json["sessions"]) == 2

    accepted = ben.post(f"/api/offers/{offer.json['id']}/accept")

    assert (accepted.status_code, accepted.json["outcome"]) == (200, "accepted")
    assert accepted.json["version"] == 2
    assert len(ben.get("/api/waiters/ben/floor").json["sessions"]) == 3
    assert ben.post(f"/api/offers/{offer.json['id']}/accept").data == accepted.data


@pytest.mark.parametrize(("verb", "outcome"), [("decline", "declined"), ("withdraw", "withdrawn")])
def test_an_offer_that_ended_cannot_be_accepted(offer, anna, ben, verb, outcome):
    path = f"/api/offers/{offer.json['id']}"
    party = {"decline": ben, "withdraw": anna}[verb]
    settled = party.post(f"{path}/{verb}")
    assert (settled.status_code, settled.json["outcome"]) == (200, outcome)
    assert party.post(f"{path}/{verb}").data == settled.data

    refused = ben.post(f"{path}/accept")
    assert (refused.status_code, refused.json["code"]) == (409, "offer_settled")
    assert (refused.json["offerId"], refused.json["outcome"]) == (offer.json["id"], outcome)


def test_each_party_settles_only_what_is_theirs(offer, anna, ben, carl, manager):
    path = f"/api/offers/{offer.json['id']}"
    for caller, verbs in (
        (anna, ("accept", "decline")),
        (ben, ("withdraw",)),
        (carl, ("accept", "decline", "withdraw")),
    ):
        for verb in verbs:
            assert caller.post(f"{path}/{verb}").status_code == 404
    assert carl.get(path).status_code == 404
    assert anna.get(path).json == ben.get(path).json == offer.json
    assert manager.post(f"{path}/withdraw").status_code == 200


def test_a_session_that_was_closed_meanwhile_is_named_and_nothing_moves(offer, ben, manager):
    manager.post("/api/sessions/table-5/close")
    refused = ben.post(f"/api/offers/{offer.json['id']}/accept")

    assert (refused.status_code, refused.json["code"]) == (409, "transfer_refused")
    assert refused.json["refused"] == [{"sessionId": "table-5", "reason": "closed"}]
    assert manager.get("/api/sessions/table-7").json["waiterId"] == "anna"


def test_a_session_is_in_one_open_offer_at_most(offer, anna, carl):
    again = anna.post("/api/waiters/anna/offers", {"toWaiterId": "ben"})
    assert (again.status_code, again.json) == (200, offer.json)

    refused = anna.post(
        "/api/waiters/anna/offers", {"toWaiterId": "carl", "sessionIds": ["table-5"]}
    )
    assert (refused.status_code, refused.json["code"]) == (409, "session_offered")
    assert refused.json["offerId"] == offer.json["id"]
    assert refused.json["sessionIds"] == ["table-5"]


def test_a_waiter_without_tables_has_nothing_to_offer(carl):
    refused = carl.post("/api/waiters/carl/offers", {"toWaiterId": "ben"})
    assert (refused.status_code, refused.json["code"]) == (409, "nothing_to_offer")


def test_a_retried_offer_is_answered_as_the_first_time_even_if_it_was_accepted(anna, ben):
    key = {"Idempotency-Key": "handover"}
    body = {"toWaiterId": "ben"}
    made = anna.post("/api/waiters/anna/offers", body, headers=key)
    ben.post(f"/api/offers/{made.json['id']}/accept")
    again = anna.post("/api/waiters/anna/offers", body, headers=key)

    assert (again.status_code, again.data) == (201, made.data)
    assert again.headers["Location"] == made.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"


def test_offers_are_listed_newest_first_in_pages(anna, ben, carl, manager):
    def offered(caller, waiter, **body):
        return caller.post(f"/api/waiters/{waiter}/offers", body).json["id"]

    first = offered(anna, "anna", toWaiterId="ben", sessionIds=["table-5"])
    second = offered(ben, "ben", toWaiterId="carl")
    third = offered(anna, "anna", toWaiterId="carl", sessionIds=["table-7"])

    def listed(caller, query=""):
        answer = caller.get(f"/api/offers{query}").json
        return [each["id"] for each in answer["offers"]], answer["next"]

    assert listed(manager) == ([third, second, first], None)
    assert listed(anna) == ([third, first], None)
    assert listed(carl) == ([third, second], None)
    page, cursor = listed(manager, "?limit=2")
    assert page == [third, second]
    assert listed(manager, f"?limit=2&cursor={cursor}") == ([first], None)
    assert manager.get("/api/offers?cursor=nonsense").status_code == 422
    assert manager.get("/api/offers?outcome=open").status_code == 400


def test_guests_move_to_another_table(anna, ben, service):
    moved = anna.post("/api/sessions/table-7/move", {"tableNumber": 12, "reason": "draughty"})
    assert (moved.status_code, moved.json["tableNumber"], moved.json["version"]) == (200, 12, 2)
    assert anna.post("/api/sessions/table-7/move", {"tableNumber": 12}).data == moved.data

    occupied = anna.post("/api/sessions/table-7/move", {"tableNumber": 9})
    assert (occupied.status_code, occupied.json["code"]) == (409, "table_occupied")
    assert (occupied.json["tableNumber"], occupied.json["sessionId"]) == (9, None)
    assert ben.post("/api/sessions/table-7/move", {"tableNumber": 12}).status_code == 404
    service.close_session("table-5")
    closed = anna.post("/api/sessions/table-5/move", {"tableNumber": 13})
    assert (closed.status_code, closed.json["code"]) == (409, "session_closed")
    assert anna.post("/api/sessions/table-7/move", {"tableNumber": 0}).status_code == 422


def test_a_manager_of_another_venue_finds_nothing_of_this_one(offer, caller, service):
    service.add_venue("harbour")
    stranger = caller("manager", "max", venue="harbour")
    path = f"/api/offers/{offer.json['id']}"
    for unknown in (
        stranger.get(path),
        stranger.post(f"{path}/accept"),
        stranger.post(f"{path}/withdraw"),
        stranger.post("/api/waiters/anna/offers", {"toWaiterId": "ben"}),
        stranger.post("/api/waiters/anna/shift/start"),
        stranger.post("/api/waiters/anna/shift/end"),
        stranger.post("/api/sessions/table-7/move", {"tableNumber": 12}),
    ):
        assert unknown.status_code == 404
    assert stranger.get("/api/offers").json == {"offers": [], "next": None}
    everywhere = caller("manager", "max", venue="*")
    assert [each["id"] for each in everywhere.get("/api/offers").json["offers"]] == [
        offer.json["id"]
    ]


@pytest.mark.parametrize("role", ["kitchen", "display"])
def test_kitchens_and_displays_hand_nothing_over(offer, caller, role):
    screen = caller(role, "main", venue="main")
    path = f"/api/offers/{offer.json['id']}"
    for refused in (
        screen.get("/api/offers"),
        screen.get(path),
        screen.post(f"{path}/accept"),
        screen.post(f"{path}/decline"),
        screen.post(f"{path}/withdraw"),
        screen.post("/api/waiters/anna/offers", {"toWaiterId": "ben"}),
        screen.post("/api/waiters/anna/shift/start"),
        screen.post("/api/sessions/table-7/move", {"tableNumber": 12}),
    ):
        assert refused.status_code in (403, 404)
