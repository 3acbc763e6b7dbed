"""Writes a live stream straight to its socket, without a greenlet.

A live stream only waits, and under gunicorn a greenlet that waits costs twelve
kilobytes: its stacks, the parsed request, the response. So once the body has sent the
greeting and the replay, it *hands over*: this outlet takes the socket's descriptor, and
the server forgets the connection. From then on the event loop itself writes framed
bytes, and calls back only when the socket can be written again or the client is gone.

``docs/decisions/0001-handing-over-the-socket.md`` weighs the alternatives.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import Any

import gevent

from notifications.events.encoding import Frame
from notifications.streams.open_streams import OpenStreams
from notifications.streams.stream import CloseReason, Stream

#: Bytes that the kernel may hold for one client; the kernel doubles this number. With its
#: default, megabytes would pile up before a stalled reader is noticed.
SEND_BUFFER_BYTES = 64 * 1024

#: Milliseconds that sent bytes may stay unacknowledged before the kernel
#: closes the connection: a phone out of reach sends no FIN.
UNACKNOWLEDGED_MS = 60_000

#: Bytes read at a time of what a client sends on a stream. They are thrown away.
_READ_BYTES = 4096

_READ, _WRITE = 1, 2  # libev's EV_READ and EV_WRITE
#: What ends a chunked body (RFC 9112, section 7.1).
LAST_CHUNK = b"0\r\n\r\n"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds


class SocketOutlet:
    """The outlet of a stream that was handed over.

    It closes the stream when the client is gone. No method switches greenlets.
    """

    __slots__ = (
        "_fd",
        "_is_chunked",
        "_reader",
        "_rest",
        "_stream",
        "_streams",
        "_writer",
        "blocked_since",
    )

    def __init__(
        self,
        stream: Stream,
        sock: socket.socket,
        streams: OpenStreams,
        *,
        is_chunked: bool,
    ) -> None:
        self._stream = stream
        self._streams = streams
        self._is_chunked = is_chunked
        self._rest = b""
        self._writer: Any = None
        self.blocked_since: float | None = None
        # The descriptor itself, not a duplicate. When the server closes its own, a duplicate
        # keeps the file open, so the kernel keeps the closed descriptor's entry in epoll. The
        # first event on that entry makes libev register every open socket again: 18 ms with
        # 5,000 streams, for each client that hangs up.
        self._fd = sock.detach()
        self._reader: Any = gevent.get_hub().loop.io(self._fd, _READ)
        self._reader.start(self._on_readable)

    def flush(self) -> None:
        """Write the whole mailbox at once. Bytes that the kernel does not take wait."""
        if self._can_write:
            frames = self._stream.take()
            if len(frames) == 1:
                self._write(self._framed(frames[0]))
            elif frames:
                self._write(b"".join([self._framed(frame) for frame in frames]))

    def send(self, frame: Frame) -> None:
        """Write ``frame``, unless bytes still wait for the client."""
        if self._can_write:
            self._write(self._framed(frame))

    def close(self, last: Frame | None, *, abort: bool) -> None:
        """Flush, send ``last``, end the response and close the socket."""
        if self._fd < 0:
            return
        if not abort:
            self.flush()
            if last is not None:
                self.send(last)
            if self._is_chunked and self._can_write:
                self._write(LAST_CHUNK)
        self._release(abort=abort)

    @property
    def _can_write(self) -> bool:
        return self.blocked_since is None and self._fd >= 0

    def _framed(self, frame: Frame) -> bytes:
        return frame.chunk if self._is_chunked else frame.block

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self._fd, data)
        except BlockingIOError:
            written = 0
        except OSError:
            self._end()
            return
        if written < len(data):
            self._rest = data[written:]
            self.blocked_since = time.monotonic()
            if self._writer is None:
                self._writer = gevent.get_hub().loop.io(self._fd, _WRITE)
                self._writer.start(self._on_writable)

    def _on_writable(self) -> None:
        # The deadline counts from the last byte taken: a slow client is not stalled.
        rest, self._rest, self.blocked_since = self._rest, b"", None
        self._write(rest)
        if self._can_write:
            self._writer.stop()
            self._writer.close()
            self._writer = None
            self.flush()

    def _on_readable(self) -> None:
        try:
            if os.read(self._fd, _READ_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._end()

    def _end(self) -> None:
        self._release(abort=False)
        self._streams.close(self._stream, CloseReason.CLIENT_GONE)

    def _release(self, *, abort: bool) -> None:
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        for watcher in (self._reader, self._writer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._reader = self._writer = None
        self._rest = b""
        if abort:
            # Otherwise the kernel keeps the bytes of a client that does not read.
            with socket.socket(fileno=fd) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        else:
            os.close(fd)


def prepare_socket(sock: socket.socket, *, write_timeout_seconds: float) -> None:
    """Bound what one client can hold up: kernel memory, time, and the server's writes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    # gunicorn's gevent worker makes client sockets blocking, without a timeout.
    sock.settimeout(write_timeout_seconds)
