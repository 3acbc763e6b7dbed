"""What the two events about an offered handover have in common."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field

from notifications.channels import floor_channel, waiter_channel
from notifications.events.floor_event import FloorEvent
from notifications.events.payload import (
    PARAMS_MEANING,
    Code,
    Id,
    Message,
    Moment,
    RequiresRefresh,
    Timestamp,
    WireModel,
)
from waiter_service.offer_outcome import OfferOutcome


class HandoverParams(WireModel):
    """The values in a sentence about an offer."""

    from_waiter_id: Id = Field(description="Who offers the sessions.")
    to_waiter_id: Id = Field(description="Whom they are offered to.")
    session_count: Annotated[int, Field(ge=0, strict=True)] = Field(
        description="How many sessions there are."
    )


class HandoverEvent(FloorEvent):
    """An event about one offer to hand sessions over."""

    offer_id: Id = Field(description="The offer.")
    from_waiter_id: Id = Field(description="Who offers the sessions.")
    to_waiter_id: Id = Field(description="Whom they are offered to.")
    session_ids: tuple[Id, ...] = Field(description="The sessions that are offered.")
    outcome: OfferOutcome | None = Field(description="How the offer ended; null while it is open.")
    expires_at: Moment = Field(description="When the offer expires, in UTC.")
    message: Message
    code: Code
    params: HandoverParams = Field(description=PARAMS_MEANING)
    requires_refresh: RequiresRefresh = True
    timestamp: Timestamp

    @classmethod
    def _with_sentence(
        cls,
        code: str,
        sentence: str,
        *,
        from_waiter_id: str,
        to_waiter_id: str,
        session_ids: tuple[str, ...],
        **facts: Any,
    ) -> Self:
        """Return the event. ``sentence`` has the names of the params in braces."""
        count = len(session_ids)
        message = sentence.format(
            fromWaiterId=from_waiter_id, toWaiterId=to_waiter_id, sessionCount=count
        )
        return cls(
            from_waiter_id=from_waiter_id,
            to_waiter_id=to_waiter_id,
            session_ids=session_ids,
            message=message.replace("1 tables", "1 table") if count == 1 else message,
            code=code,
            params={
                "from_waiter_id": from_waiter_id,
                "to_waiter_id": to_waiter_id,
                "session_count": count,
            },
            **facts,
        )

    def audience(self, venue_id: str) -> tuple[str, ...]:
        """Return both waiters and the floor."""
        return (
            waiter_channel(venue_id, self.from_waiter_id),
            waiter_channel(venue_id, self.to_waiter_id),
            floor_channel(venue_id),
        )
