"""The base of the errors, and how their messages show values."""

from __future__ import annotations


def shown(value: object) -> str:
    """Return ``value`` as a message or a log line may show it: ASCII, at most 80 characters."""
    shown = ascii(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


class WaiterServiceError(Exception):
    """Base of every error that the waiter service raises on purpose."""
