"""The event that every Python peer sends: the same twelve keys, some 370 bytes with its framing."""

from __future__ import annotations

import time


def order_update(sequence: int) -> dict[str, object]:
    """Return the event's data, stamped now (nanoseconds of the monotonic clock)."""
    return {
        "sessionId": "session-123",
        "waiterId": "waiter-456",
        "orderId": f"bench.{sequence:010d}.{time.monotonic_ns():019d}",
        "tableNumber": 5,
        "status": "Complete",
        "previousStatus": "InProgress",
        "message": "Your order has been completed (3 items) - Table 5",
        "code": "order.complete",
        "params": {"tableNumber": 5, "itemCount": 3},
        "requiresRefresh": True,
        "timestamp": "2024-01-15T10:30:00.000Z",
        "version": 4,
    }
