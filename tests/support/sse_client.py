"""An event-stream client that follows the specification strictly.

It reads a raw socket in its own thread, checks the HTTP framing byte by byte, and
fails the test for errors that a browser would ignore.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.sse_parser import SseEvent, SseParser


class SseRefused(Exception):
    """The answer was not 200; see ``status``, ``headers`` and ``body``."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"{status}: {body[:500]!r}")
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def problem(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class SseClient:
    """A stream, open since the constructor returned.

    Args:
        url: with its query, if any.
        token: sent as ``Authorization: Bearer``.
        last_event_id: sent as ``Last-Event-ID``.
        receive_buffer_bytes: the kernel's buffer; small for a client that stalls.

    Raises:
        SseRefused: any answer but 200.
        AssertionError: the answer is not a valid event stream.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        last_event_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        receive_buffer_bytes: int | None = None,
    ) -> None:
        self.url = url
        self._is_whole = False
        self.events: list[SseEvent] = []
        self.retry_ms: int | None = None
        self.last_event_id = last_event_id or ""
        self.failure: Exception | None = None
        """The error in the stream, or None."""
        self._position = 0
        self._changed = threading.Condition()
        self._has_ended = False
        self._may_read = threading.Event()
        self._may_read.set()
        self._is_closing = False

        self._socket = self._connect(timeout, receive_buffer_bytes)
        self._reader = self._socket.makefile("rb")
        try:
            self._socket.sendall(self._request(token, last_event_id, headers or {}))
            self.status, self.headers = self._read_head()
            self._check_head()
        except BaseException:
            self.close()
            raise
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._run, name=f"sse {url}", daemon=True)
        self._thread.start()

    # --- events

    def next(self, event: str | None = None, timeout: float = 5.0) -> SseEvent:
        """Return the next event not yet returned, of type ``event`` if that is given.

        Events of other types stay in ``events``. Heartbeats are skipped unless
        ``event`` names them.

        Raises:
            AssertionError: none came in time, or the stream ended or was malformed.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                while self._position < len(self.events):
                    candidate = self.events[self._position]
                    self._position += 1
                    if candidate.type == event or (event is None and candidate.type != "heartbeat"):
                        return candidate
                self._check()
                left = deadline - time.monotonic()
                if self._has_ended or left <= 0:
                    why = "the stream ended" if self._has_ended else f"not within {timeout:g} s"
                    seen = [each.type for each in self.events[-10:]]
                    raise AssertionError(f"no {event or 'event'}: {why}; last seen: {seen}")
                self._changed.wait(left)

    def expect_nothing(self, seconds: float, *ignored: str) -> None:
        """Assert that only heartbeats and ``ignored`` types arrive for a while."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while (left := deadline - time.monotonic()) > 0 and not self._has_ended:
                self._changed.wait(left)
            self._check()
            unread = self.events[self._position :]
        got = [each for each in unread if each.type not in {"heartbeat", *ignored}]
        assert not got, f"unexpected: {got}"

    def of_type(self, event: str) -> list[SseEvent]:
        """Return all events of that type so far, returned by ``next`` or not."""
        return [each for each in list(self.events) if each.type == event]

    @property
    def has_ended(self) -> bool:
        """The server has ended the stream, or the connection broke."""
        return self._has_ended

    def wait_ended(self, timeout: float = 5.0) -> None:
        """Wait until the server has ended the stream, and assert that it did so properly."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._has_ended, timeout), (
                f"{self.url} is still open after {timeout:g} s"
            )
            self._check()

    def pause(self) -> None:
        """Stop reading, as a phone in a tunnel does; the connection stays open."""
        self._may_read.clear()

    def resume(self) -> None:
        """Continue reading after ``pause``."""
        self._may_read.set()

    def close(self) -> None:
        """Close the connection properly."""
        self._is_closing = True
        self._may_read.set()
        with contextlib.suppress(OSError):  # the server has closed it already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._finish()

    def abort(self) -> None:
        """Reset the connection instead of closing it."""
        self._is_closing = True
        self._may_read.set()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # close() alone would wait for the thread that sits in recv().
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)
        self._finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # --- HTTP

    def _connect(self, timeout: float, receive_buffer_bytes: int | None) -> socket.socket:
        parts = urlsplit(self.url)
        wire = socket.socket()
        if receive_buffer_bytes is not None:
            # Before connecting, because that announces the window.
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        wire.settimeout(timeout)
        wire.connect((parts.hostname, parts.port or 80))
        return wire

    def _request(
        self, token: str | None, last_event_id: str | None, headers: Mapping[str, str]
    ) -> bytes:
        parts = urlsplit(self.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        all_headers = {"Host": parts.netloc, "Accept": "text/event-stream"}
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token}"
        if last_event_id is not None:
            all_headers["Last-Event-ID"] = last_event_id
        all_headers |= headers
        lines = [f"GET {target} HTTP/1.1", *(f"{k}: {v}" for k, v in all_headers.items())]
        return "\r\n".join([*lines, "", ""]).encode()

    def _read_head(self) -> tuple[int, dict[str, str]]:
        status_line = self._reader.readline().decode("latin-1")
        assert status_line.startswith("HTTP/1."), f"no HTTP answer: {status_line!r}"
        headers: dict[str, str] = {}
        while line := self._reader.readline().decode("latin-1").rstrip("\r\n"):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(status_line.split()[1]), headers

    def _check_head(self) -> None:
        if self.status != 200:
            length = self.headers.get("content-length")
            body = self._reader.read(int(length)) if length else self._read_chunk() or b""
            raise SseRefused(self.status, self.headers, body)
        content_type = self.headers.get("content-type", "")
        assert content_type.split(";")[0].strip() == "text/event-stream", content_type

    def _read_chunk(self) -> bytes | None:
        """Return the next chunk, ``None`` after the last one."""
        if length := self.headers.pop("content-length", None):
            # This is nginx's whole in-band refusal; the connection stays open.
            self._is_whole = True
            return self._reader.read(int(length))
        if self._is_whole:
            return None
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            # Framed by the end of the connection, as in HTTP/1.0.
            return self._reader.read1(65_536) or None
        size_line = self._reader.readline()
        if not size_line:
            raise ConnectionResetError("the connection ended without a last chunk")
        assert size_line.endswith(b"\r\n"), f"malformed chunk size: {size_line!r}"
        size = int(size_line, 16)
        chunk = self._reader.read(size)
        ending = self._reader.read(2)
        assert len(chunk) == size, "the connection ended within a chunk"
        assert ending == b"\r\n", f"a chunk ends with {ending!r}"
        return chunk or None

    # --- the stream

    def _run(self) -> None:
        try:
            parse = SseParser(self._dispatch, self._set_retry).feed
            while True:
                self._may_read.wait()
                chunk = self._read_chunk()
                if chunk is None:
                    break
                parse(chunk)
        except Exception as error:  # noqa: BLE001 - raised where the test asks
            if not self._is_closing:
                self.failure = error
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _dispatch(self, event: SseEvent) -> None:
        with self._changed:
            if event.id is not None:
                self.last_event_id = event.id
            self.events.append(event)
            self._changed.notify_all()

    def _set_retry(self, retry_ms: int) -> None:
        self.retry_ms = retry_ms

    def _check(self) -> None:
        """Fail on a malformed stream. A broken connection counts as an end."""
        if self.failure is not None and not isinstance(self.failure, OSError):
            raise AssertionError(f"malformed stream: {self.failure!r}") from self.failure

    def _finish(self) -> None:
        if hasattr(self, "_thread"):
            self._thread.join(5)
        self._reader.close()
        self._socket.close()
