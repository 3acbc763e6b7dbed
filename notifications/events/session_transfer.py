"""``session_transfer``: a session went to another waiter."""

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
from waiter_service.transfer_cause import TransferCause

_SENTENCES = {
    cause: (
        f"transfer.{cause.value}",
        f"Your waiter has been updated{f' ({cause.label})' if cause.label is not None else ''}",
    )
    for cause in TransferCause
}


class SessionTransfer(FloorEvent):
    """The session went from ``previousWaiterId`` to ``waiterId``.

    The sentence has the transfer's public ``cause`` in brackets: shift change, break,
    section change or workload.
    """

    event_type: ClassVar[str] = "session_transfer"
    goes_to: ClassVar[str] = "guest, new waiter, previous waiter, floor"
    sentences: ClassVar[Mapping[str, str]] = {
        code: f"{text} - Table {{tableNumber}}" for code, text in _SENTENCES.values()
    }

    session_id: SessionId
    waiter_id: WaiterId
    previous_waiter_id: Id = Field(description="Who held the session before.")
    table_number: TableNumber
    message: Message
    code: Code
    params: TableParams = Field(description=PARAMS_MEANING)
    requires_refresh: RequiresRefresh = True
    timestamp: Timestamp
    version: Version = None

    @classmethod
    def told(cls, *, table_number: int, cause: TransferCause, **facts: Any) -> Self:
        """Return the event with its sentence.

        ``Your waiter has been updated (shift change) - Table 5``; other causes have theirs, and
        ``TransferCause.OTHER`` has no brackets.
        """
        code, text = _SENTENCES[cause]
        return cls(
            table_number=table_number,
            message=f"{text} - Table {table_number}",
            code=code,
            params={"table_number": table_number},
            **facts,
        )

    def audience(self, venue_id: str) -> tuple[str, ...]:
        """Return the guests, both waiters and the floor.

        The previous waiter hears of it as well, since their screen must drop the table.
        """
        channels = (
            session_channel(venue_id, self.session_id),
            waiter_channel(venue_id, self.waiter_id),
            waiter_channel(venue_id, self.previous_waiter_id),
            floor_channel(venue_id),
        )
        return tuple(dict.fromkeys(channels))

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls.told(
            session_id="session-123",
            waiter_id="waiter-456",
            previous_waiter_id="waiter-123",
            table_number=5,
            cause=TransferCause.SHIFT_CHANGE,
            timestamp=EXAMPLE_MOMENT,
            version=2,
        )
