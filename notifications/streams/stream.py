"""One open event stream: its mailbox and its end.

A stream knows nothing of sockets and brokers. Delivery puts events into its mailbox;
its *outlet* takes them out and writes them to the client.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from notifications.events.closing import Closing
from notifications.events.encoding import EventId, Frame, StoredEvent, block
from notifications.principal import Principal


@dataclass(frozen=True, slots=True)
class _Ending:
    code: str
    sentence: str
    #: Whether the client should come back. None: it is not told at all,
    #: because it is gone or does not read.
    reconnect: bool | None
    #: The least and the most milliseconds to wait before coming back. None leaves it to the client.
    reconnect_ms: tuple[int, int] | None = None


class CloseReason(Enum):
    """Why a stream ended. ``code`` is its name for clients, logs and metrics.

    A restart has three reasons with one code: how long a client waits depends on whether another
    process serves, and on how many clients come back with it.
    """

    CLIENT_GONE = _Ending("client_gone", "the client went away", None)
    MAILBOX_FULL = _Ending("mailbox_full", "too many events were waiting to be read", None)
    WRITE_STALLED = _Ending("write_stalled", "the client stopped reading", None)
    TOKEN_EXPIRED = _Ending("token_expired", "the token expired: come back with another", True)
    TOKEN_REVOKED = _Ending("token_revoked", "access was withdrawn", False)
    SESSION_CLOSED = _Ending("session_closed", "the session was closed", False)
    # For half a second no process listens; a client that comes then is refused and waits longer.
    # Within another second all of 2,000 are back.
    DRAINING = _Ending("draining", "the server is restarting: come back", True, (600, 1200))
    # Another process serves, and gets all clients at once.
    HANDED_OVER = _Ending("draining", "the server is restarting: come back", True, (200, 500))
    # Other processes serve, and the streams end one after another, so no crowd comes back. Not 0:
    # a browser that finds no server tries again after this time, as often as it takes.
    MOVED = _Ending("draining", "the server is restarting: come back", True, (10, 50))
    FAILED = _Ending("failed", "the server could not go on: come back", True)

    @property
    def code(self) -> str:
        """The reason in one word."""
        return self.value.code

    @property
    def sentence(self) -> str:
        """The reason as a sentence for people."""
        return self.value.sentence

    @property
    def reconnect(self) -> bool | None:
        """Whether the client should come back; None if it cannot be told."""
        return self.value.reconnect

    @property
    def is_stuck(self) -> bool:
        """Whether the client was too slow: the bytes that the kernel holds for it are dropped."""
        return self in (CloseReason.MAILBOX_FULL, CloseReason.WRITE_STALLED)

    def closing_frame(self) -> Frame | None:
        """Return the ``closing`` event, or None if the client would not receive it."""
        if self.reconnect is None:
            return None
        wait_ms = None
        if (bounds := self.value.reconnect_ms) is not None:
            wait_ms = random.randint(*bounds)  # noqa: S311 - jitter keeps no secret
        closing = Closing(
            code=self.code,
            reason=self.sentence,
            reconnect=self.reconnect,
            reconnect_in_ms=wait_ms,
        )
        return Frame(block(closing, retry_ms=wait_ms))


class Outlet(Protocol):
    """Writes a stream's bytes to its client. No method switches greenlets."""

    #: The moment (``time.monotonic``) since which the client takes nothing, or None.
    blocked_since: float | None

    def flush(self) -> None:
        """Take all events from the mailbox and write them."""

    def send(self, frame: Frame) -> None:
        """Write an unnumbered frame (a heartbeat), unless bytes or events wait."""

    def close(self, last: Frame | None, *, abort: bool) -> None:
        """Send ``last`` if the client reads, and end the response.

        ``abort`` drops the bytes that the kernel still holds for a client that does
        not read. Idempotent.
        """


class Stream:
    """The mailbox of one client, from its opening to its end.

    Most streams are quiet, so an empty mailbox is None and the whole stream is a handful
    of slots.
    """

    __slots__ = (
        "channel",
        "client",
        "close_reason",
        "connection_id",
        "events_sent",
        "expires_at",
        "has_overflowed",
        "is_replaying",
        "opened_at",
        "outlet",
        "pending",
        "principal",
    )

    def __init__(
        self,
        connection_id: str,
        channel: str,
        principal: Principal,
        *,
        client: str,
        opened_at: float,
        expires_at: float,
    ) -> None:
        self.connection_id = connection_id
        self.channel = channel
        self.principal = principal
        self.client = client
        self.opened_at = opened_at
        self.expires_at = expires_at
        self.pending: list[StoredEvent] | None = None
        self.is_replaying = True
        self.has_overflowed = False
        self.outlet: Outlet | None = None
        self.close_reason: CloseReason | None = None
        self.events_sent = 0

    @property
    def is_closed(self) -> bool:
        """Whether the stream has ended. It never opens again."""
        return self.close_reason is not None

    @property
    def depth(self) -> int:
        """How many events wait in the mailbox."""
        return len(self.pending) if self.pending else 0

    def log_fields(self, **more: object) -> dict[str, object]:
        """Return the ``extra`` of a log line about this stream."""
        known = {
            "stream": self.connection_id,
            "channel": self.channel,
            "who": self.principal.key,
            "client": self.client,
        }
        return {"fields": {**known, **more}}

    def offer(self, event: StoredEvent, max_pending: int) -> bool:
        """Put ``event`` into the mailbox; return False if it is full."""
        pending = self.pending
        if pending is None:
            self.pending = [event]
        elif len(pending) < max_pending:
            pending.append(event)
        else:
            return False
        return True

    def take(self) -> list[StoredEvent]:
        """Empty the mailbox and return its events, oldest first."""
        pending, self.pending = self.pending, None
        if not pending:
            return []
        self.events_sent += len(pending)
        return pending

    def begin_buffering(self) -> None:
        """Empty the mailbox: the history is about to be read, and holds its events."""
        self.pending = None
        self.has_overflowed = False

    def go_live(self, position: EventId) -> None:
        """Continue live from ``position``: keep only the mailbox's events that came after it."""
        fresh = [
            event
            for event in self.pending or ()
            if event.epoch != position.epoch or event.offset > position.offset
        ]
        self.pending = fresh or None
        self.is_replaying = False
