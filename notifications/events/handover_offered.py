"""``handover_offered``: a waiter was offered sessions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Self

from notifications.events.handover import HandoverEvent
from notifications.events.payload import EXAMPLE_MOMENT

_CODE = "handover.offered"
_SENTENCE = "{fromWaiterId} offers {sessionCount} tables to {toWaiterId}"


class HandoverOffered(HandoverEvent):
    """``fromWaiterId`` offers sessions to ``toWaiterId``. None of them has moved."""

    event_type: ClassVar[str] = "handover_offered"
    goes_to: ClassVar[str] = "both waiters, floor"
    sentences: ClassVar[Mapping[str, str]] = {_CODE: _SENTENCE}

    @classmethod
    def told(cls, **facts: Any) -> Self:
        """Return the event with its sentence: ``anna offers 2 tables to ben``."""
        return cls._with_sentence(_CODE, _SENTENCE, outcome=None, **facts)

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls.told(
            offer_id="offer-12",
            from_waiter_id="waiter-456",
            to_waiter_id="waiter-789",
            session_ids=("session-123", "session-124"),
            expires_at=EXAMPLE_MOMENT + timedelta(minutes=5),
            timestamp=EXAMPLE_MOMENT,
        )
