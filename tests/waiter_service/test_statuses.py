from typing import cast

import pytest

from waiter_service import ActorKind, OrderStatus, RequestStatus, allowed_moves
from waiter_service.errors import UnknownStatus

# Written out as in the specification. Compared as sets, because the code has its own order.
REQUEST_MOVES = {
    "New": (
        {"Acknowledged", "InProgress", "Completed", "OnHold", "Cancelled"},
        {"Cancelled"},
    ),
    "Acknowledged": ({"InProgress", "Completed", "OnHold", "Cancelled", "New"}, {"Cancelled"}),
    "InProgress": ({"Completed", "OnHold", "Cancelled", "Acknowledged"}, set()),
    "OnHold": ({"Acknowledged", "InProgress", "Completed", "Cancelled"}, {"Cancelled"}),
    "Completed": ({"Done", "InProgress"}, {"Done"}),
    "Done": (set(), set()),
    "Cancelled": (set(), set()),
}
ORDER_MOVES = {
    "New": ({"Acknowledged", "InProgress", "Rejected", "Cancelled"}, {"Cancelled"}, set()),
    "Acknowledged": ({"InProgress", "Rejected", "Cancelled", "New"}, set(), set()),
    "InProgress": ({"Complete", "Cancelled", "Acknowledged"}, set(), set()),
    "Complete": ({"Delivered", "InProgress"}, set(), {"Cancelled"}),
    "Delivered": ({"Paid", "Complete"}, set(), {"Cancelled"}),
    "Paid": (set(), set(), set()),
    "Cancelled": (set(), set(), set()),
    "Rejected": (set(), set(), set()),
}


def test_requests_move_as_specified():
    assert {status.value for status in RequestStatus} == REQUEST_MOVES.keys()
    for status, (staff, guest) in REQUEST_MOVES.items():
        current = RequestStatus(status)
        assert set(allowed_moves(current, ActorKind.WAITER)) == staff
        assert set(allowed_moves(current, ActorKind.GUEST)) == guest
        assert set(allowed_moves(current, ActorKind.MANAGER)) == staff
        assert set(allowed_moves(current, ActorKind.SYSTEM)) == staff


def test_orders_move_as_specified():
    assert {status.value for status in OrderStatus} == ORDER_MOVES.keys()
    for status, (staff, guest, manager) in ORDER_MOVES.items():
        current = OrderStatus(status)
        assert set(allowed_moves(current, ActorKind.WAITER)) == staff
        assert set(allowed_moves(current, ActorKind.GUEST)) == guest
        assert set(allowed_moves(current, ActorKind.MANAGER)) == staff | manager
        assert set(allowed_moves(current, ActorKind.SYSTEM)) == staff | manager


def test_an_actor_kind_can_be_given_as_text():
    for kind in ActorKind:
        assert allowed_moves(OrderStatus.COMPLETE, cast("ActorKind", str(kind))) == allowed_moves(
            OrderStatus.COMPLETE, kind
        )


@pytest.mark.parametrize(
    "spelling",
    ["InProgress", "in_progress", "in-progress", "inprogress", "IN PROGRESS", "In_Progress"],
)
def test_every_usual_spelling_of_a_status_is_understood(spelling):
    assert RequestStatus.parse(spelling) is RequestStatus.IN_PROGRESS
    assert OrderStatus.parse(spelling) is OrderStatus.IN_PROGRESS


@pytest.mark.parametrize(
    "nonsense", ["", "Finished", "Complete", "\0", None, 3, ["New"], "x" * 9999, "InProgre\xdf"]
)
def test_an_unknown_status_is_refused_with_the_legal_ones(nonsense):
    with pytest.raises(UnknownStatus) as caught:
        RequestStatus.parse(nonsense)
    assert caught.value.legal == tuple(s.value for s in RequestStatus)
    assert "Acknowledged" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_orders_and_requests_have_different_final_statuses():
    with pytest.raises(UnknownStatus):
        OrderStatus.parse("Completed")
    with pytest.raises(UnknownStatus):
        RequestStatus.parse("Complete")


def test_labels_are_for_people():
    assert RequestStatus.IN_PROGRESS.label == "In progress"
    assert RequestStatus.ON_HOLD.label == "On hold"
    assert OrderStatus.NEW.label == "New"


def test_final_and_open_statuses():
    assert {s for s in RequestStatus if s.is_final} == {RequestStatus.DONE, RequestStatus.CANCELLED}
    assert not RequestStatus.COMPLETED.is_open
    assert {s for s in OrderStatus if not s.is_open} == {
        OrderStatus.PAID,
        OrderStatus.CANCELLED,
        OrderStatus.REJECTED,
    }
