"""``closing``: a stream is about to end."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field

from notifications.events.payload import Payload


class Closing(Payload):
    """The stream is about to end: why, and whether to come back.

    With ``reconnectInMs``, the client should not come back before that.
    """

    event_type: ClassVar[str] = "closing"
    omits_null: ClassVar[bool] = True

    code: str = Field(
        description="The reason, for programs. New codes may be added, so decide by `reconnect`."
    )
    reason: str = Field(description="The reason, for people.")
    reconnect: bool = Field(description="Whether the client should reconnect.")
    reconnect_in_ms: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        None, description="Milliseconds to wait before reconnecting; absent if the client decides."
    )

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls(code="draining", reason="the server is restarting: come back", reconnect=True)
