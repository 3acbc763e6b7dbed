"""Who hears what. Each function is a security decision, one per change.

A channel in the answer means: everyone who may follow that session or that
waiter learns of this. The ids come from the change itself, as they were when
it happened, so a change from before a transfer is the former waiter's and one
from after it is not, however late it is announced.
"""

from __future__ import annotations

from notifications.streams.registry import channel_name


def of_status_change(*, session_id: str, waiter_id: str) -> tuple[str, ...]:
    """A request's or an order's status: the guest, and the waiter in charge."""
    return channel_name("session", session_id), channel_name("waiter", waiter_id)


def of_transfer(*, session_id: str, waiter_id: str, previous_waiter_id: str) -> tuple[str, ...]:
    """A transfer: the guest, the new waiter, and the previous one, who is to let go."""
    channels = (
        channel_name("session", session_id),
        channel_name("waiter", waiter_id),
        channel_name("waiter", previous_waiter_id),
    )
    return tuple(dict.fromkeys(channels))
