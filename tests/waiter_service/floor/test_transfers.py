import time

import pytest

from waiter_service import SYSTEM, Actor, FloorQueries, SessionTransfer, TransferCause
from waiter_service.errors import NotPermitted, TransferRefused, UnknownWaiter, ValidationError
from waiter_service.floor import transfers
from waiter_service.pacing import PAUSE_SECONDS

ANNA, BEN = Actor.waiter("anna"), Actor.waiter("ben")


def test_all_tables_of_a_waiter_are_transferred_once_each(service, listener, queries):
    result = service.transfer_sessions(
        from_waiter_id="anna", to_waiter_id="ben", reason="shift change"
    )
    assert [session.id for session in result.moved] == ["table-5", "table-7"]
    assert all(isinstance(change, SessionTransfer) for change in listener.heard)
    assert [
        (c.session_id, c.waiter_id, c.previous_waiter_id, c.version, c.reason, c.table_number)
        for c in listener.heard
    ] == [
        ("table-5", "ben", "anna", 2, "shift change", 5),
        ("table-7", "ben", "anna", 2, "shift change", 7),
    ]
    assert len(queries.waiter_floor("ben").sessions) == 3
    assert queries.waiter_floor("anna").sessions == ()


def test_all_changes_of_a_transfer_share_an_id_that_no_other_transfer_has(service, listener):
    service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    service.transfer_sessions(session_ids=["table-5"], to_waiter_id="anna")

    first, second, back = [change.transfer_id for change in listener.heard]
    assert first == second
    assert first
    assert back not in {first, ""}


def test_requests_and_orders_go_with_their_session_unchanged(service, clock, queries):
    service.update_request_status("req-1", "Acknowledged", actor=ANNA)
    before = queries.session_snapshot("table-7")
    clock.advance(60)
    service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    after = queries.session_snapshot("table-7")
    assert (after.requests, after.orders) == (before.requests, before.orders)
    assert after.requests[0].acknowledged_by == "anna"
    assert after.requests[0].age_seconds(after.taken_at) == 60


def test_a_change_after_the_transfer_names_the_new_waiter(service, listener):
    service.transfer_sessions(session_ids=["table-7"], to_waiter_id="ben")
    service.update_request_status("req-1", "Acknowledged")
    assert listener.heard[-1].waiter_id == "ben"


@pytest.mark.parametrize("actor", [SYSTEM, ANNA])
@pytest.mark.parametrize(
    "selection",
    [
        {"from_waiter_id": "anna"},
        {"session_ids": ["table-5", "table-7"]},
        {"from_waiter_id": "anna", "session_ids": ["table-7", "table-5", "table-7"]},
    ],
)
def test_repeating_a_finished_transfer_changes_nothing(service, listener, actor, selection):
    transfer = {"to_waiter_id": "ben", "actor": actor, **selection}
    assert len(service.transfer_sessions(**transfer).moved) == 2
    assert not service.transfer_sessions(**transfer).changed
    service.close_session("table-5")
    assert not service.transfer_sessions(**transfer).changed
    assert [change.KIND for change in listener.heard] == [
        "session_transfer",
        "session_transfer",
        "session_closed",
    ]


@pytest.mark.parametrize(
    ("selection", "named"),
    [
        ({"session_ids": ["table-5", "no-such"]}, {"no-such": "unknown"}),
        ({"session_ids": ["table-5", "closed"]}, {"closed": "closed"}),
        (
            {"session_ids": ["table-5", "table-9"], "from_waiter_id": "anna"},
            {"table-9": "not held by anna"},
        ),
        (
            {"session_ids": ["closed", "table-5", "no-such"], "from_waiter_id": "anna"},
            {"closed": "closed", "no-such": "unknown"},
        ),
    ],
)
def test_one_session_that_cannot_be_transferred_stops_all_and_is_named(
    service, listener, queries, selection, named
):
    service.open_session(1, "anna", session_id="closed")
    service.close_session("closed")
    listener.heard.clear()
    with pytest.raises(TransferRefused) as caught:
        service.transfer_sessions(to_waiter_id="ben", **selection)
    assert caught.value.reasons == named
    assert all(session_id in str(caught.value) for session_id in named)
    assert listener.heard == []
    assert queries.session_snapshot("table-5").session.waiter_id == "anna"


@pytest.mark.parametrize("actor", [SYSTEM, Actor.manager("mia")])
def test_a_session_that_was_transferred_and_closed_cannot_be_transferred_again(
    service, queries, actor
):
    service.transfer_sessions(to_waiter_id="ben", session_ids=["table-5"])
    service.close_session("table-5")
    with pytest.raises(TransferRefused) as caught:
        service.transfer_sessions(
            to_waiter_id="ben", session_ids=["table-5", "table-7"], actor=actor
        )
    assert caught.value.reasons == {"table-5": "closed"}
    assert queries.session_snapshot("table-7").session.waiter_id == "anna"


def test_a_waiter_transfers_only_their_own_tables_and_learns_of_no_other(service, listener):
    with pytest.raises(TransferRefused) as caught:
        service.transfer_sessions(
            to_waiter_id="ben", session_ids=["table-9", "no-such"], actor=ANNA
        )
    assert len(set(caught.value.reasons.values())) == 1
    with pytest.raises(NotPermitted):
        service.transfer_sessions(from_waiter_id="ben", to_waiter_id="anna", actor=ANNA)
    assert service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben", actor=ANNA).changed


def test_both_waiters_of_a_transfer_must_exist(service):
    with pytest.raises(UnknownWaiter):
        service.transfer_sessions(from_waiter_id="anna", to_waiter_id="nobody")
    with pytest.raises(UnknownWaiter):
        service.transfer_sessions(from_waiter_id="nobody", to_waiter_id="ben")
    for selection in ({"from_waiter_id": "anna"}, {"session_ids": ["table-5"]}):
        with pytest.raises(UnknownWaiter):
            service.transfer_sessions(to_waiter_id=None, **selection)


@pytest.mark.parametrize(
    "selection",
    [{}, {"session_ids": []}, {"session_ids": "table-5"}, {"session_ids": ["\0"]},
     {"session_ids": [7]}, {"session_ids": ["x"] * 201}],
)  # fmt: skip
def test_a_transfer_with_an_invalid_selection_is_refused(service, selection):
    with pytest.raises(ValidationError) as caught:
        service.transfer_sessions(to_waiter_id="ben", **selection)
    assert caught.value.field == "session_ids"


@pytest.mark.parametrize("cause", ["break", TransferCause.BREAK])
def test_the_change_carries_its_cause(service, listener, cause):
    service.transfer_sessions(session_ids=["table-7"], to_waiter_id="ben", cause=cause)
    assert [change.cause for change in listener.heard] == [TransferCause.BREAK]


def test_the_default_cause_is_a_shift_change(service, listener):
    service.transfer_sessions(session_ids=["table-7"], to_waiter_id="ben")
    assert [change.cause for change in listener.heard] == [TransferCause.SHIFT_CHANGE]


@pytest.mark.parametrize("cause", ["whim", "", None, 7, ["break"]])
def test_an_unknown_cause_is_refused_and_transfers_nothing(service, listener, cause):
    with pytest.raises(ValidationError) as caught:
        service.transfer_sessions(session_ids=["table-7"], to_waiter_id="ben", cause=cause)
    assert caught.value.field == "cause"
    assert listener.heard == []


def test_transferring_tables_to_their_own_waiter_changes_nothing(service, listener):
    result = service.transfer_sessions(session_ids=["table-9"], to_waiter_id="ben")
    assert (result.changed, [s.id for s in result.already_there]) == (False, ["table-9"])
    assert not service.transfer_sessions(from_waiter_id="ben", to_waiter_id="ben").changed
    assert listener.heard == []


def test_a_waiter_without_tables_transfers_none(service):
    service.add_waiter("carl", "Carl")
    assert not service.transfer_sessions(from_waiter_id="carl", to_waiter_id="ben").changed


def test_the_previous_waiter_is_shown_the_session_as_it_was_at_the_transfer(service, queries):
    given = {"to_waiter_id": "ben", "session_ids": ["table-5"], "actor": ANNA}
    moved = service.transfer_sessions(**given).moved
    service.close_session("table-5", actor=BEN)
    assert service.transfer_sessions(**given).already_there == moved

    # The reasons of refused sessions do not show it either.
    both = {**given, "session_ids": ["table-5", "table-7"]}
    assert service.transfer_sessions(**both).already_there == moved
    # Its own waiter and managers see the current state.
    for actor in (SYSTEM, Actor.manager("mia")):
        (now,) = service.transfer_sessions(**{**given, "actor": actor}).already_there
        assert not now.is_open


def test_a_closed_table_with_unfinished_orders_is_transferred_with_the_others(service, queries):
    service.close_session("table-7", force=True, reason="they ran")
    moved = service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben").moved
    assert [session.id for session in moved] == ["table-5", "table-7"]
    assert service.update_order_status("ord-1", "Cancelled", actor=BEN).changed


def test_a_closed_table_with_unfinished_orders_can_be_named_in_a_transfer(service):
    service.close_session("table-7", force=True, reason="they ran")
    assert service.transfer_sessions(session_ids=["table-7"], to_waiter_id="ben").changed


def test_a_large_transfer_yields_to_other_greenlets(service, monkeypatch):
    for table in range(100, 200):
        service.open_session(table, "anna")
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    result = service.transfer_sessions(to_waiter_id="ben", from_waiter_id="anna")
    assert len(result.moved) >= 100
    assert pauses.count(PAUSE_SECONDS) >= 5
    pauses.clear()
    repeated = [session.id for session in result.moved]
    service.transfer_sessions(to_waiter_id="ben", from_waiter_id="anna", session_ids=repeated)
    assert pauses.count(PAUSE_SECONDS) >= 5


def test_a_floor_too_large_for_one_transfer_is_transferred_in_parts(service, monkeypatch):
    monkeypatch.setattr(transfers, "MAX_SESSIONS", 2)
    for table in range(100, 103):
        service.open_session(table, "ben", session_id=f"t-{table}")
    before = FloorQueries(service.database).waiter_floor("ben").sessions
    with pytest.raises(ValidationError) as caught:
        service.transfer_sessions(to_waiter_id="anna", from_waiter_id="ben")
    assert caught.value.field == "session_ids"
    assert len(FloorQueries(service.database).waiter_floor("ben").sessions) == len(before)
    parts = ["t-100", "t-101"]
    moved = service.transfer_sessions(
        to_waiter_id="anna", from_waiter_id="ben", session_ids=parts
    ).moved
    assert [session.id for session in moved] == parts
