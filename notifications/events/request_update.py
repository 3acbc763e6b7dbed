"""``request_update``: where a guest's request stands."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field

from notifications.channels import session_channel, waiter_channel
from notifications.events.floor_event import FloorEvent
from notifications.events.payload import (
    EXAMPLE_MOMENT,
    Id,
    Message,
    RequiresRefresh,
    SessionId,
    TableNumber,
    Timestamp,
    Version,
    WaiterId,
)
from waiter_service.statuses import RequestStatus

_SENTENCES = {
    RequestStatus.NEW: "has been received",
    RequestStatus.ACKNOWLEDGED: "has been acknowledged by your waiter",
    RequestStatus.IN_PROGRESS: "is being handled",
    RequestStatus.COMPLETED: "has been completed",
    RequestStatus.ON_HOLD: "is temporarily on hold",
    RequestStatus.CANCELLED: "has been cancelled",
    RequestStatus.DONE: "is complete",
}


class RequestUpdate(FloorEvent):
    """A request was raised (``previousStatus`` null) or moved to another status."""

    event_type: ClassVar[str] = "request_update"
    goes_to: ClassVar[str] = "guest, waiter"

    session_id: SessionId
    waiter_id: WaiterId
    request_id: Id = Field(description="The request that is meant.")
    table_number: TableNumber
    status: RequestStatus = Field(description="Where it stands now.")
    previous_status: RequestStatus | None = Field(
        description="Where it stood before; null where it is new."
    )
    message: Message
    requires_refresh: RequiresRefresh = True
    timestamp: Timestamp
    version: Version = None

    @classmethod
    def told(cls, *, table_number: int, status: RequestStatus, **facts: Any) -> Self:
        """Return the event with its sentence: ``Your request is being handled - Table 5``."""
        return cls(
            table_number=table_number,
            status=status,
            message=f"Your request {_SENTENCES[status]} - Table {table_number}",
            **facts,
        )

    @property
    def audience(self) -> tuple[str, ...]:
        """The guest, and the waiter in charge when it happened."""
        return session_channel(self.session_id), waiter_channel(self.waiter_id)

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
