"""Refusals inside a stream: a stream that at once sends ``closing`` with the time to wait.

By the specification, browsers never reconnect after an error status, but 429 and 503
are temporary. So a client that accepts an event stream gets the refusal in one. A
trusted proxy asks for the status instead, with ``X-Refusals: status``, because it can
try another instance.
"""

from __future__ import annotations

import random

from notifications.errors import StreamRefused
from notifications.events.closing import Closing
from notifications.events.encoding import block

_EVENT_STREAM = "text/event-stream"


def accepts_event_stream(accept: str | None) -> bool:
    """Return whether an ``Accept`` header names event streams; ``*/*`` does not."""
    for media_range in (accept or "").lower().split(","):
        name, *parameters = (part.strip() for part in media_range.split(";"))
        if name == _EVENT_STREAM:
            return not any(_is_zero(parameter) for parameter in parameters)
    return False


def refusal_block(refused: StreamRefused) -> bytes:
    """Return the only block of a stream that is refused.

    The time to wait is between one and two times ``retry_after_seconds``, so that clients
    refused together do not return together.
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
