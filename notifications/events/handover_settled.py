"""``handover_settled``: an offer of sessions ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Self

from notifications.events.handover import HandoverEvent
from notifications.events.payload import EXAMPLE_MOMENT
from waiter_service.offer_outcome import OfferOutcome

_SENTENCES = {
    OfferOutcome.ACCEPTED: "{toWaiterId} has taken {sessionCount} tables over from {fromWaiterId}",
    OfferOutcome.DECLINED: "{toWaiterId} has declined {sessionCount} tables of {fromWaiterId}",
    OfferOutcome.WITHDRAWN: "{fromWaiterId} no longer offers {sessionCount} tables to {toWaiterId}",
    OfferOutcome.EXPIRED: "{toWaiterId} has not taken {sessionCount} tables of {fromWaiterId}",
}


class HandoverSettled(HandoverEvent):
    """The offer ended.

    Once it is ``accepted``, each of its sessions has a ``session_transfer`` of its own.
    """

    event_type: ClassVar[str] = "handover_settled"
    goes_to: ClassVar[str] = "both waiters, floor"
    sentences: ClassVar[Mapping[str, str]] = {
        f"handover.{outcome}": text for outcome, text in _SENTENCES.items()
    }

    @classmethod
    def told(cls, *, outcome: OfferOutcome, **facts: Any) -> Self:
        """Return the event with its sentence: ``ben has taken 2 tables over from anna``."""
        sentence = _SENTENCES[outcome]
        return cls._with_sentence(f"handover.{outcome}", sentence, outcome=outcome, **facts)

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls.told(
            offer_id="offer-12",
            from_waiter_id="waiter-456",
            to_waiter_id="waiter-789",
            session_ids=("session-123", "session-124"),
            outcome=OfferOutcome.ACCEPTED,
            expires_at=EXAMPLE_MOMENT + timedelta(minutes=5),
            timestamp=EXAMPLE_MOMENT,
        )
