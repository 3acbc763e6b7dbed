"""``shift_update``: a waiter's shift started or ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field

from notifications.channels import floor_channel, waiter_channel
from notifications.events.floor_event import FloorEvent
from notifications.events.payload import (
    EXAMPLE_MOMENT,
    PARAMS_MEANING,
    Code,
    Id,
    Message,
    RequiresRefresh,
    Timestamp,
    WireModel,
)

_SENTENCES = {True: ("shift.started", "has started"), False: ("shift.ended", "has ended")}


class ShiftParams(WireModel):
    """The values in a sentence about a shift."""

    waiter_id: Id = Field(description="Whose shift it is.")


class ShiftUpdate(FloorEvent):
    """The shift of ``waiterId`` started or ended."""

    event_type: ClassVar[str] = "shift_update"
    goes_to: ClassVar[str] = "that waiter, floor"
    sentences: ClassVar[Mapping[str, str]] = {
        code: f"The shift of {{waiterId}} {text}" for code, text in _SENTENCES.values()
    }

    waiter_id: Id = Field(description="Whose shift it is.")
    on_shift: bool = Field(strict=True, description="Whether the waiter is on shift now.")
    message: Message
    code: Code
    params: ShiftParams = Field(description=PARAMS_MEANING)
    requires_refresh: RequiresRefresh = True
    timestamp: Timestamp

    @classmethod
    def told(cls, *, waiter_id: str, on_shift: bool, **facts: Any) -> Self:
        """Return the event with its sentence: ``The shift of anna has started``."""
        code, text = _SENTENCES[on_shift]
        return cls(
            waiter_id=waiter_id,
            on_shift=on_shift,
            message=f"The shift of {waiter_id} {text}",
            code=code,
            params={"waiter_id": waiter_id},
            **facts,
        )

    def audience(self, venue_id: str) -> tuple[str, ...]:
        """Return the waiter and the floor."""
        return waiter_channel(venue_id, self.waiter_id), floor_channel(venue_id)

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls.told(waiter_id="waiter-456", on_shift=True, timestamp=EXAMPLE_MOMENT)
