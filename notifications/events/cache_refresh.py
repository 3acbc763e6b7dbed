"""``cache_refresh``: what to load again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from notifications.events.payload import (
    EXAMPLE_MOMENT,
    PARAMS_MEANING,
    Code,
    Id,
    Message,
    PublishedEvent,
    RequiresRefresh,
    Timestamp,
    WireModel,
)


class AffectedData(StrEnum):
    """What a client should load again, in the order it is listed."""

    REQUESTS = "requests"
    ORDERS = "orders"
    SESSIONS = "sessions"
    ANALYTICS = "analytics"
    REVIEWS = "reviews"
    ALL = "all"


AffectedKinds = Annotated[
    tuple[AffectedData, ...], Field(min_length=1, description="What to load again.")
]


class RefreshParams(WireModel):
    """The values in the sentence of a refresh, except the reasons, which are free text."""

    affected_data: AffectedKinds


class CacheRefresh(PublishedEvent):
    """Load ``affectedData`` again. An empty ``affectedIds`` means all of that kind."""

    event_type: ClassVar[str] = "cache_refresh"
    goes_to: ClassVar[str] = "guests, waiters: each whose data changed"
    sentences: ClassVar[Mapping[str, str]] = {"refresh": "Cache refresh required: ..."}

    affected_data: AffectedKinds
    affected_ids: tuple[Id, ...] = Field(
        (), description="The ids to load again; empty means all of that kind."
    )
    message: Message
    code: Code
    params: RefreshParams = Field(description=PARAMS_MEANING)
    requires_refresh: RequiresRefresh = True
    timestamp: Timestamp

    @classmethod
    def told(
        cls, *, affected_data: tuple[AffectedData, ...], reasons: Sequence[str], **facts: Any
    ) -> Self:
        """Return the event with its sentence: ``Cache refresh required: ...; ...``."""
        return cls(
            affected_data=affected_data,
            message=f"Cache refresh required: {'; '.join(reasons)}",
            code="refresh",
            params={"affected_data": affected_data},
            **facts,
        )

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls.told(
            affected_data=(AffectedData.REQUESTS, AffectedData.ANALYTICS),
            affected_ids=("req-789",),
            reasons=["Request req-789 status changed to completed"],
            timestamp=EXAMPLE_MOMENT,
        )
