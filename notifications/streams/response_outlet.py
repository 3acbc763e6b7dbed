"""Writes a live stream to its client through the WSGI server, chunk by chunk.

For every server and connection that cannot be handed over: gunicorn with TLS or
HTTP/2, Flask's development server, the test client. All streams live in one event
loop, so a server with threads must be monkey-patched before it starts, as ``wsgi.py``
does: ``flask --app wsgi run``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from gevent.event import Event as Wakeup

from notifications.events.encoding import Frame, StoredEvent
from notifications.streams.stream import Stream

#: Events that may wait for the response's greenlet. Only a burst within one turn, before
#: the greenlet can run, ever adds more than one mailbox. A guess: longer than any honest
#: burst. The events are shared with other streams, so they cost little memory.
READY_EVENTS = 4096


class ResponseOutlet:
    """Wakes the greenlet that iterates over the response. Methods never switch greenlets."""

    __slots__ = ("_is_ended", "_notice", "_ready", "_stream", "_wakeup", "blocked_since")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._wakeup = Wakeup()
        self._ready: list[StoredEvent] = []
        self._notice: Frame | None = None
        self._is_ended = False
        self.blocked_since: float | None = None

    def flush(self) -> None:
        """Pass the mailbox to the response's greenlet, unless that is busy writing."""
        if self.blocked_since is None and len(self._ready) < READY_EVENTS:
            self._ready += self._stream.take()
        self._wakeup.set()

    def send(self, frame: Frame) -> None:
        """Queue ``frame`` after the waiting events. A newer frame replaces it."""
        self._notice = frame
        self._wakeup.set()

    def close(self, last: Frame | None, *, abort: bool) -> None:
        """End the response after the waiting events and ``last``."""
        if abort:
            self._ready.clear()
            self._stream.pending = None
        self._notice = last
        self._is_ended = True
        self._wakeup.set()

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes to write until the stream is closed; waits in between."""
        while True:
            self._wakeup.clear()
            ready, self._ready = self._ready, []
            blocks = [frame.block for frame in (*ready, *self._stream.take())]
            notice, self._notice = self._notice, None
            if notice is not None:
                blocks.append(notice.block)
            if blocks:
                self.blocked_since = time.monotonic()
                yield b"".join(blocks)
                self.blocked_since = None
            elif self._is_ended:
                return
            else:
                self._wakeup.wait()
