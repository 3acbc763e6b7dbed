"""The sentences that guests and waiters read, and the codes for other languages."""

from __future__ import annotations

import pytest

from notifications.events.cache_refresh import AffectedData, CacheRefresh
from notifications.events.catalogue import PUBLISHED
from notifications.events.handover_offered import HandoverOffered
from notifications.events.handover_settled import HandoverSettled
from notifications.events.order_update import OrderUpdate
from notifications.events.payload import EXAMPLE_MOMENT, PublishedEvent
from notifications.events.request_update import RequestUpdate
from notifications.events.session_transfer import SessionTransfer
from notifications.events.session_update import SessionNews, SessionUpdate
from notifications.events.shift_update import ShiftUpdate
from waiter_service.offer_outcome import OfferOutcome
from waiter_service.statuses import OrderStatus, RequestStatus
from waiter_service.transfer_cause import TransferCause

FACTS = {"session_id": "s", "waiter_id": "w", "timestamp": EXAMPLE_MOMENT}

REQUEST_SENTENCES = {
    "New": "Your request has been received - Table 5",
    "Acknowledged": "Your request has been acknowledged by your waiter - Table 5",
    "InProgress": "Your request is being handled - Table 5",
    "Completed": "Your request has been completed - Table 5",
    "OnHold": "Your request is temporarily on hold - Table 5",
    "Cancelled": "Your request has been cancelled - Table 5",
    "Done": "Your request is complete - Table 5",
}

ORDER_SENTENCES = {
    "New": "Your order has been received (3 items) - Table 5",
    "Acknowledged": "Your order has been acknowledged and is being prepared (3 items) - Table 5",
    "InProgress": "Your order is being prepared in the kitchen (3 items) - Table 5",
    "Complete": "Your order has been completed (3 items) - Table 5",
    "Delivered": "Your order has been delivered to your table (3 items) - Table 5",
    "Paid": "Your order has been paid and is complete (3 items) - Table 5",
    "Cancelled": "Your order has been cancelled (3 items) - Table 5",
    "Rejected": "Your order could not be fulfilled (3 items) - Table 5",
}

REQUEST_CODES = {
    "New": "request.new",
    "Acknowledged": "request.acknowledged",
    "InProgress": "request.in_progress",
    "Completed": "request.completed",
    "OnHold": "request.on_hold",
    "Cancelled": "request.cancelled",
    "Done": "request.done",
}

ORDER_CODES = {
    "New": "order.new",
    "Acknowledged": "order.acknowledged",
    "InProgress": "order.in_progress",
    "Complete": "order.complete",
    "Delivered": "order.delivered",
    "Paid": "order.paid",
    "Cancelled": "order.cancelled",
    "Rejected": "order.rejected",
}


def request_message(status: RequestStatus) -> str:
    return RequestUpdate.told(
        **FACTS, request_id="r", table_number=5, status=status, previous_status=None
    ).message


def order(status: OrderStatus, *, table_number: int = 5, item_count: int | None = 3) -> OrderUpdate:
    return OrderUpdate.told(
        **FACTS,
        order_id="o",
        table_number=table_number,
        status=status,
        previous_status=None,
        item_count=item_count,
    )


def refresh_message(*reasons: str) -> str:
    return CacheRefresh.told(
        affected_data=(AffectedData.ALL,), reasons=reasons, timestamp=EXAMPLE_MOMENT
    ).message


@pytest.mark.parametrize("status", RequestStatus)
def test_each_status_of_a_request_has_its_sentence(status: RequestStatus) -> None:
    assert request_message(status) == REQUEST_SENTENCES[status]


@pytest.mark.parametrize("status", OrderStatus)
def test_each_status_of_an_order_has_its_sentence(status: OrderStatus) -> None:
    assert order(status).message == ORDER_SENTENCES[status]


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (None, "Your order has been received - Table 12"),
        (0, "Your order has been received (0 items) - Table 12"),
        (1, "Your order has been received (1 item) - Table 12"),
        (2, "Your order has been received (2 items) - Table 12"),
    ],
)
def test_item_count_is_written_in_correct_english(count: int | None, sentence: str) -> None:
    assert order(OrderStatus.NEW, table_number=12, item_count=count).message == sentence


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        ("shift_change", "Your waiter has been updated (shift change) - Table 5"),
        ("break", "Your waiter has been updated (break) - Table 5"),
        ("section_change", "Your waiter has been updated (section change) - Table 5"),
        ("workload", "Your waiter has been updated (workload) - Table 5"),
        ("other", "Your waiter has been updated - Table 5"),
    ],
)
def test_sentence_of_a_transfer_names_its_cause(cause: str, sentence: str) -> None:
    transfer = SessionTransfer.told(
        **FACTS, previous_waiter_id="v", table_number=5, cause=TransferCause(cause)
    )
    assert transfer.message == sentence


def test_sentence_of_a_refresh_names_its_reason() -> None:
    assert (
        refresh_message("Request req-789 status changed to completed")
        == "Cache refresh required: Request req-789 status changed to completed"
    )


def test_several_reasons_are_joined() -> None:
    assert refresh_message("The menu changed", "A review was answered") == (
        "Cache refresh required: The menu changed; A review was answered"
    )


# --- codes for other languages


@pytest.mark.parametrize("status", RequestStatus)
def test_each_status_of_a_request_has_a_code(status: RequestStatus) -> None:
    update = RequestUpdate.told(
        **FACTS, request_id="r", table_number=5, status=status, previous_status=None
    ).to_wire()
    assert (update["code"], update["params"]) == (REQUEST_CODES[status], {"tableNumber": 5})


@pytest.mark.parametrize("status", OrderStatus)
def test_each_status_of_an_order_has_a_code(status: OrderStatus) -> None:
    update = order(status)
    assert update.code == ORDER_CODES[status]
    assert update.to_wire()["params"] == {"tableNumber": 5, "itemCount": 3}


def test_unknown_item_count_of_an_order_is_null() -> None:
    update = order(OrderStatus.NEW, item_count=None)
    assert update.to_wire()["params"] == {"tableNumber": 5, "itemCount": None}


@pytest.mark.parametrize("cause", ["shift_change", "break", "section_change", "workload", "other"])
def test_code_of_a_transfer_contains_its_cause(cause: str) -> None:
    transfer = SessionTransfer.told(
        **FACTS, previous_waiter_id="v", table_number=5, cause=TransferCause(cause)
    ).to_wire()
    assert (transfer["code"], transfer["params"]) == (f"transfer.{cause}", {"tableNumber": 5})


def test_code_of_a_refresh_does_not_contain_its_reasons() -> None:
    refresh = CacheRefresh.told(
        affected_data=(AffectedData.ORDERS, AffectedData.ANALYTICS),
        reasons=["The menu changed"],
        timestamp=EXAMPLE_MOMENT,
    ).to_wire()
    assert refresh["code"] == "refresh"
    assert refresh["params"] == {"affectedData": ["orders", "analytics"]}


@pytest.mark.parametrize("kind", PUBLISHED, ids=lambda kind: kind.event_type)
def test_documented_sentence_can_be_built_from_code_and_params(kind: type[PublishedEvent]) -> None:
    example = kind.example().to_wire()
    sentence = kind.sentences[example["code"]]
    made = sentence.format(**example["params"]).removesuffix("...")
    assert example["message"].startswith(made)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("opened", "Guests have been seated - Table 5"),
        ("closed", "The session has been closed - Table 5"),
        ("reopened", "The session is open again - Table 5"),
        ("moved", "The guests have moved to this table - Table 5"),
    ],
)
def test_session_update_says_what_has_happened(change: str, message: str) -> None:
    event = SessionUpdate.told(table_number=5, change=SessionNews(change), **FACTS)
    assert (event.message, event.code) == (message, f"session.{change}")


def test_shift_update_says_whose_shift_it_is() -> None:
    sentences = {
        ShiftUpdate.told(waiter_id="anna", on_shift=is_on, timestamp=EXAMPLE_MOMENT).message
        for is_on in (True, False)
    }
    assert sentences == {"The shift of anna has started", "The shift of anna has ended"}


OFFER = {
    "offer_id": "offer-1",
    "from_waiter_id": "anna",
    "to_waiter_id": "ben",
    "session_ids": ("table-5", "table-7"),
    "expires_at": EXAMPLE_MOMENT,
    "timestamp": EXAMPLE_MOMENT,
}


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ("accepted", "ben has taken 2 tables over from anna"),
        ("declined", "ben has declined 2 tables of anna"),
        ("withdrawn", "anna no longer offers 2 tables to ben"),
        ("expired", "ben has not taken 2 tables of anna"),
    ],
)
def test_handover_settled_says_how_the_offer_ended(outcome: str, message: str) -> None:
    event = HandoverSettled.told(outcome=OfferOutcome(outcome), **OFFER)
    assert (event.message, event.code) == (message, f"handover.{outcome}")


def test_handover_offered_counts_its_tables() -> None:
    assert HandoverOffered.told(**OFFER).message == "anna offers 2 tables to ben"
    one = HandoverOffered.told(**{**OFFER, "session_ids": ("table-5",)})
    assert one.message == "anna offers 1 table to ben"
    assert one.to_wire()["outcome"] is None
