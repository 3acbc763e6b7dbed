"""``session_update``: a session was opened, closed or reopened, or its guests moved."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import Field

from notifications.channels import floor_channel
from notifications.events.floor_event import FloorEvent
from notifications.events.payload import (
    EXAMPLE_MOMENT,
    PARAMS_MEANING,
    Code,
    Message,
    RequiresRefresh,
    SessionId,
    TableNumber,
    TableParams,
    Timestamp,
    Version,
    WaiterId,
)


class SessionNews(StrEnum):
    """What has happened to the session."""

    OPENED = "opened"
    CLOSED = "closed"
    REOPENED = "reopened"
    MOVED = "moved"


_SENTENCES = {
    SessionNews.OPENED: "Guests have been seated",
    SessionNews.CLOSED: "The session has been closed",
    SessionNews.REOPENED: "The session is open again",
    SessionNews.MOVED: "The guests have moved to this table",
}


class SessionUpdate(FloorEvent):
    """A session was opened, closed or reopened, or its guests moved to ``tableNumber``."""

    event_type: ClassVar[str] = "session_update"
    goes_to: ClassVar[str] = "floor"
    sentences: ClassVar[Mapping[str, str]] = {
        f"session.{news}": f"{text} - Table {{tableNumber}}" for news, text in _SENTENCES.items()
    }

    session_id: SessionId
    waiter_id: WaiterId
    table_number: TableNumber
    change: SessionNews = Field(description="What has happened.")
    message: Message
    code: Code
    params: TableParams = Field(description=PARAMS_MEANING)
    requires_refresh: RequiresRefresh = True
    timestamp: Timestamp
    version: Version = None

    @classmethod
    def told(cls, *, table_number: int, change: SessionNews, **facts: Any) -> Self:
        """Return the event with its sentence: ``Guests have been seated - Table 5``."""
        return cls(
            table_number=table_number,
            change=change,
            message=f"{_SENTENCES[change]} - Table {table_number}",
            code=f"session.{change}",
            params={"table_number": table_number},
            **facts,
        )

    def audience(self, venue_id: str) -> tuple[str, ...]:
        """Return the floor. The guests and the waiter are told to load the session again."""
        return (floor_channel(venue_id),)

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls.told(
            session_id="session-123",
            waiter_id="waiter-456",
            table_number=5,
            change=SessionNews.OPENED,
            timestamp=EXAMPLE_MOMENT,
            version=1,
        )
