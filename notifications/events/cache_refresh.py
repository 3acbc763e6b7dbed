"""``cache_refresh``: what to load again."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import Field

from notifications.events.payload import (
    EXAMPLE_MOMENT,
    Id,
    Message,
    PublishedEvent,
    RequiresRefresh,
    Timestamp,
)


class AffectedData(StrEnum):
    """What a client should load again, in the order it is listed."""

    REQUESTS = "requests"
    ORDERS = "orders"
    SESSIONS = "sessions"
    ANALYTICS = "analytics"
    REVIEWS = "reviews"
    ALL = "all"


class CacheRefresh(PublishedEvent):
    """What to load again. An empty ``affectedIds`` means all of that kind."""

    event_type: ClassVar[str] = "cache_refresh"
    goes_to: ClassVar[str] = "whoever it concerns"

    affected_data: tuple[AffectedData, ...] = Field(min_length=1, description="What to load again.")
    affected_ids: tuple[Id, ...] = Field(
        (), description="Which of it; empty means all of that kind."
    )
    message: Message
    requires_refresh: RequiresRefresh = True
    timestamp: Timestamp

    @classmethod
    def told(cls, *, reasons: Sequence[str], **facts: Any) -> Self:
        """Return the event with its sentence: ``Cache refresh required: ...; ...``."""
        return cls(message=f"Cache refresh required: {'; '.join(reasons)}", **facts)

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls.told(
            affected_data=(AffectedData.REQUESTS, AffectedData.ANALYTICS),
            affected_ids=("req-789",),
            reasons=["Request req-789 status changed to completed"],
            timestamp=EXAMPLE_MOMENT,
        )
