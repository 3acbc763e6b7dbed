"""The sentences people read, for guest and waiter alike (DESIGN, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

from waiter_service.statuses import OrderStatus, RequestStatus
from waiter_service.transfer_cause import TransferCause

_REQUEST = {
    RequestStatus.NEW: "has been received",
    RequestStatus.ACKNOWLEDGED: "has been acknowledged by your waiter",
    RequestStatus.IN_PROGRESS: "is being handled",
    RequestStatus.COMPLETED: "has been completed",
    RequestStatus.ON_HOLD: "is temporarily on hold",
    RequestStatus.CANCELLED: "has been cancelled",
    RequestStatus.DONE: "is complete",
}

_ORDER = {
    OrderStatus.NEW: "has been received",
    OrderStatus.ACKNOWLEDGED: "has been acknowledged and is being prepared",
    OrderStatus.IN_PROGRESS: "is being prepared in the kitchen",
    OrderStatus.COMPLETE: "has been completed",
    OrderStatus.DELIVERED: "has been delivered to your table",
    OrderStatus.PAID: "has been paid and is complete",
    OrderStatus.CANCELLED: "has been cancelled",
    OrderStatus.REJECTED: "could not be fulfilled",
}


def request_message(status: RequestStatus, table_number: int) -> str:
    """``Your request is being handled - Table 5``."""
    return f"Your request {_REQUEST[status]} - Table {table_number}"


def order_message(status: OrderStatus, table_number: int, item_count: int | None) -> str:
    """``Your order has been completed (3 items) - Table 5``; without a count, without items."""
    items = ""
    if item_count is not None:
        items = f" ({item_count} item{'' if item_count == 1 else 's'})"
    return f"Your order {_ORDER[status]}{items} - Table {table_number}"


def transfer_message(table_number: int, cause: TransferCause) -> str:
    """``Your waiter has been updated (shift change) - Table 5``; other causes likewise.

    ``TransferCause.OTHER`` has no brackets.
    """
    why = f" ({cause.label})" if cause.label is not None else ""
    return f"Your waiter has been updated{why} - Table {table_number}"


def status_change_reason(thing: str, thing_id: str, status: RequestStatus | OrderStatus) -> str:
    """``Request req-789 status changed to completed``."""
    return f"{thing} {thing_id} status changed to {status.label.lower()}"


def refresh_message(reasons: Sequence[str]) -> str:
    """``Cache refresh required: ...``; several reasons are joined by ``; ``."""
    return "Cache refresh required: " + "; ".join(reasons)
