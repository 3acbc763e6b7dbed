"""How an offer to hand sessions over can end."""

from __future__ import annotations

from enum import StrEnum


class OfferOutcome(StrEnum):
    """How an offer ended. The value is the spelling on the wire."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
