"""``request_update``: the status of a guest's request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field

from notifications.channels import floor_channel, session_channel, waiter_channel
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
from waiter_service.statuses import RequestStatus

_SENTENCES = {
    RequestStatus.NEW: ("request.new", "has been received"),
    RequestStatus.ACKNOWLEDGED: ("request.acknowledged", "has been acknowledged by your waiter"),
    RequestStatus.IN_PROGRESS: ("request.in_progress", "is being handled"),
    RequestStatus.COMPLETED: ("request.completed", "has been completed"),
    RequestStatus.ON_HOLD: ("request.on_hold", "is temporarily on hold"),
    RequestStatus.CANCELLED: ("request.cancelled", "has been cancelled"),
    RequestStatus.DONE: ("request.done", "is complete"),
}


class RequestUpdate(FloorEvent):
    """A request was raised (``previousStatus`` null) or moved to another status."""

    event_type: ClassVar[str] = "request_update"
    goes_to: ClassVar[str] = "guest, waiter, floor"
    sentences: ClassVar[Mapping[str, str]] = {
        code: f"Your request {text} - Table {{tableNumber}}" for code, text in _SENTENCES.values()
    }

    session_id: SessionId
    waiter_id: WaiterId
    request_id: Id = Field(description="The id of the request.")
    table_number: TableNumber
    status: RequestStatus = Field(description="The status after this change.")
    previous_status: RequestStatus | None = Field(
        description="The status before this change; null for a new request."
    )
    message: Message
    code: Code
    params: TableParams = Field(description=PARAMS_MEANING)
    requires_refresh: RequiresRefresh = True
    timestamp: Timestamp
    version: Version = None

    @classmethod
    def told(cls, *, table_number: int, status: RequestStatus, **facts: Any) -> Self:
        """Return the event with its sentence: ``Your request is being handled - Table 5``."""
        code, text = _SENTENCES[status]
        return cls(
            table_number=table_number,
            status=status,
            message=f"Your request {text} - Table {table_number}",
            code=code,
            params={"table_number": table_number},
            **facts,
        )

    def audience(self, venue_id: str) -> tuple[str, ...]:
        """Return the guests, the waiter in charge when it happened, and the floor."""
        return (
            session_channel(venue_id, self.session_id),
            waiter_channel(venue_id, self.waiter_id),
            floor_channel(venue_id),
        )

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls.told(
            session_id="session-123",
            waiter_id="waiter-456",
            request_id="req-789",
            table_number=5,
            status=RequestStatus.COMPLETED,
            previous_status=RequestStatus.IN_PROGRESS,
            timestamp=EXAMPLE_MOMENT,
            version=3,
        )
