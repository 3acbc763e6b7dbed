"""The time of day, passed in so that tests need not wait for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present as an aware ``datetime``."""


def utc_now() -> datetime:
    """Return the present in UTC."""
    return datetime.now(UTC)
