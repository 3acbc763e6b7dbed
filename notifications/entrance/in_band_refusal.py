"""Refusals inside a stream: a stream that says ``closing`` at once, and when to come back.

Clients that follow the specification never return from an error status, and
429 and 503 are only about now. So a client that accepts an event stream is
answered with one. A proxy of ours asks for the status instead, with
``X-Refusals: status``: it can try another instance.
"""

from __future__ import annotations

import random

from notifications.errors import StreamRefused
from notifications.events.closing import Closing
from notifications.events.encoding import block

_EVENT_STREAM = "text/event-stream"


def accepts_event_stream(accept: str | None) -> bool:
    """Tell whether an ``Accept`` header names event streams; ``*/*`` does not."""
    for media_range in (accept or "").lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        if name == _EVENT_STREAM:
            return not any(_is_zero(parameter) for parameter in parameters)
    return False


def refusal_block(refused: StreamRefused) -> bytes:
    """Return the one block of a stream that is refused.

    The time to wait is spread over twice what the refusal names, so that those
    who were refused together do not return together.
    """
    floor_ms = 1000 * refused.retry_after_seconds
    wait_ms = random.randint(floor_ms, 2 * floor_ms)  # noqa: S311 - jitter keeps no secret
    closing = Closing(
        code=refused.cause, reason=str(refused), reconnect=True, reconnect_in_ms=wait_ms
    )
    return block(closing, retry_ms=wait_ms)


def _is_zero(parameter: str) -> bool:
    name, _, quality = parameter.partition("=")
    return name.strip() == "q" and quality.strip().strip("0.") == ""
