"""The current time, passed in so that tests need not wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current time as an aware ``datetime``."""


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)
