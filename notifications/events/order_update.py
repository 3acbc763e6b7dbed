"""``order_update``: the status of an order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from notifications.channels import (
    floor_channel,
    kitchen_channel,
    session_channel,
    waiter_channel,
)
from notifications.events.floor_event import FloorEvent
from notifications.events.payload import (
    EXAMPLE_MOMENT,
    PARAMS_MEANING,
    Code,
    Id,
    Message,
    RequiresRefresh,
    SessionId,
    TableNumber,
    TableParams,
    Timestamp,
    Version,
    WaiterId,
)
from waiter_service.statuses import OrderStatus

_SENTENCES = {
    OrderStatus.NEW: ("order.new", "has been received"),
    OrderStatus.ACKNOWLEDGED: ("order.acknowledged", "has been acknowledged and is being prepared"),
    OrderStatus.IN_PROGRESS: ("order.in_progress", "is being prepared in the kitchen"),
    OrderStatus.COMPLETE: ("order.complete", "has been completed"),
    OrderStatus.DELIVERED: ("order.delivered", "has been delivered to your table"),
    OrderStatus.PAID: ("order.paid", "has been paid and is complete"),
    OrderStatus.CANCELLED: ("order.cancelled", "has been cancelled"),
    OrderStatus.REJECTED: ("order.rejected", "could not be fulfilled"),
}


class OrderParams(TableParams):
    """The values in a sentence about an order."""

    item_count: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        description="How many items it has; null if the sender does not count them."
    )


class OrderUpdate(FloorEvent):
    """An order was placed (``previousStatus`` null) or moved to another status."""

    event_type: ClassVar[str] = "order_update"
    goes_to: ClassVar[str] = "guest, waiter, floor, kitchen"
    sentences: ClassVar[Mapping[str, str]] = {
        code: f"Your order {text} ({{itemCount}} items) - Table {{tableNumber}}"
        for code, text in _SENTENCES.values()
    }

    session_id: SessionId
    waiter_id: WaiterId
    order_id: Id = Field(description="The id of the order.")
    table_number: TableNumber
    status: OrderStatus = Field(description="The status after this change.")
    previous_status: OrderStatus | None = Field(
        description="The status before this change; null for a new order."
    )
    message: Message
    code: Code
    params: OrderParams = Field(description=PARAMS_MEANING)
    requires_refresh: RequiresRefresh = True
    timestamp: Timestamp
    version: Version = None

    @classmethod
    def told(
        cls,
        *,
        table_number: int,
        status: OrderStatus,
        item_count: int | None,
        **facts: Any,
    ) -> Self:
        """Return the event with its sentence.

        ``Your order has been completed (3 items) - Table 5``; without a count, no brackets.
        """
        items = ""
        if item_count is not None:
            items = f" ({item_count} item{'' if item_count == 1 else 's'})"
        code, text = _SENTENCES[status]
        return cls(
            table_number=table_number,
            status=status,
            message=f"Your order {text}{items} - Table {table_number}",
            code=code,
            params={"table_number": table_number, "item_count": item_count},
            **facts,
        )

    def audience(self, venue_id: str) -> tuple[str, ...]:
        """Return the guests, the waiter in charge when it happened, and the floor and kitchen."""
        return (
            session_channel(venue_id, self.session_id),
            waiter_channel(venue_id, self.waiter_id),
            floor_channel(venue_id),
            kitchen_channel(venue_id),
        )

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls.told(
            session_id="session-123",
            waiter_id="waiter-456",
            order_id="order-789",
            table_number=5,
            status=OrderStatus.COMPLETE,
            previous_status=OrderStatus.IN_PROGRESS,
            item_count=3,
            timestamp=EXAMPLE_MOMENT,
            version=4,
        )
