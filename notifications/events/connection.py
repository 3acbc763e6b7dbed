"""``connection``: a stream is open."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, PlainSerializer

from notifications.events.payload import EXAMPLE_MOMENT, Id, Moment, Payload


class Connection(Payload):
    """The first event of every stream: it is open.

    ``resumed`` tells whether it goes on where the client left off.
    """

    event_type: ClassVar[str] = "connection"
    id_meaning: ClassVar[str | None] = "The position at which a new stream begins."
    omits_null: ClassVar[bool] = True
    # It has one id, and leaves the others out.
    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["sessionId"]},
                {"required": ["waiterId"]},
                {"required": ["venueId"]},
            ]
        }
    )

    connection_id: str = Field(description="The stream's id in the server's log.")
    session_id: Id | None = Field(None, description="The session, if this is a session's stream.")
    waiter_id: Id | None = Field(None, description="The waiter, if this is a waiter's stream.")
    venue_id: Id | None = Field(
        None, description="The venue, if this is the stream of a floor or a kitchen."
    )
    # Written as people would: 30, not 30.0.
    heartbeat_seconds: Annotated[
        float, PlainSerializer(lambda seconds: int(seconds) if seconds.is_integer() else seconds)
    ] = Field(description="Seconds between heartbeats. A connection silent for twice that is dead.")
    resumed: bool = Field(description="Whether the stream continues after the client's last event.")
    expires_at: Moment = Field(description="When the token, and with it the stream, will end.")

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls(
            connection_id="2df111de002958cd",
            session_id="session-123",
            heartbeat_seconds=30,
            resumed=False,
            expires_at=EXAMPLE_MOMENT + timedelta(minutes=10),
        )
