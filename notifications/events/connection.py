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
    id_meaning: ClassVar[str | None] = "Where a fresh stream begins."
    omits_null: ClassVar[bool] = True
    # It has one id, and leaves the other out.
    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["sessionId"]}, {"required": ["waiterId"]}]}
    )

    connection_id: str = Field(description="Names this stream in the server's log.")
    session_id: Id | None = Field(
        None, description="The session that is followed, on a session's stream."
    )
    waiter_id: Id | None = Field(
        None, description="The waiter who is followed, on a waiter's stream."
    )
    # Written as people would: 30, not 30.0.
    heartbeat_seconds: Annotated[
        float, PlainSerializer(lambda seconds: int(seconds) if seconds.is_integer() else seconds)
    ] = Field(description="Between two heartbeats. Silent for twice that, the connection is dead.")
    resumed: bool = Field(description="Whether the stream goes on where the client left off.")
    expires_at: Moment = Field(description="When the stream will end, since its token does.")

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
