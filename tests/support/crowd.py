"""A thousand clients in one thread, each as strict as ``SseClient``."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Self
from urllib.parse import urlsplit

from tests.support.sse_parser import SseEvent, SseParser
from tests.support.waiting import wait_until

HEADERS_END = b"\r\n\r\n"


class Member:
    """One stream of a crowd."""

    def __init__(self, path: str, token: str, last_event_id: str | None) -> None:
        self.path = path
        self.token = token
        self.last_event_id = last_event_id or ""
        self.status: int | None = None
        self.events: list[SseEvent] = []
        self.ended_at: float | None = None
        self.is_complete = False
        """The response ended as HTTP has it, with its last chunk."""
        self.failure: Exception | None = None
        self._rest = b""
        self._parser = SseParser(self._dispatch, lambda retry_ms: None)

    def request(self, host: str) -> bytes:
        lines = [
            f"GET {self.path} HTTP/1.1",
            f"Host: {host}",
            f"Authorization: Bearer {self.token}",
        ]
        if self.last_event_id:
            lines.append(f"Last-Event-ID: {self.last_event_id}")
        return "\r\n".join([*lines, "", ""]).encode()

    def of_type(self, event_type: str) -> list[SseEvent]:
        return [event for event in list(self.events) if event.type == event_type]

    def feed(self, data: bytes) -> None:
        """Parse bytes from the server, which may be cut anywhere."""
        self._rest += data
        if self.status is None:
            head, separator, rest = self._rest.partition(HEADERS_END)
            if not separator:
                return
            self.status = int(head.split()[1])
            assert self.status != 200 or b"transfer-encoding: chunked" in head.lower()
            self._rest = rest
        if self.status == 200:
            while self._take_chunk():
                pass

    def _take_chunk(self) -> bool:
        size_line, separator, rest = self._rest.partition(b"\r\n")
        if not separator:
            return False
        size = int(size_line, 16)
        if len(rest) < size + 2:
            return False
        chunk, ending = rest[:size], rest[size : size + 2]
        assert ending == b"\r\n", f"a chunk ends with {ending!r}"
        self._rest = rest[size + 2 :]
        if size == 0:
            self.is_complete = True
        else:
            self._parser.feed(chunk)
        return True

    def _dispatch(self, event: SseEvent) -> None:
        if event.id is not None:
            self.last_event_id = event.id
        self.events.append(event)


class Crowd:
    """Opens streams together and reads them all until it is closed."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._selector = selectors.DefaultSelector()
        self._sockets: dict[Member, socket.socket] = {}
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="crowd", daemon=True)
        self._thread.start()

    def join(self, members: Iterable[tuple[str, str, str | None]]) -> Sequence[Member]:
        """Open a stream for each (path, token, last event id); return at once."""
        joined = []
        for path, token, last_event_id in members:
            member = Member(path, token, last_event_id)
            wire = socket.create_connection(self._address, timeout=10)
            wire.sendall(member.request(self._address[0]))
            wire.setblocking(False)
            self._sockets[member] = wire
            self._selector.register(wire, selectors.EVENT_READ, member)
            joined.append(member)
        return joined

    def gather(
        self, members: Iterable[tuple[str, str, str | None]], timeout: float = 20.0
    ) -> Sequence[Member]:
        """Open a stream for each, and return when all have their ``connection`` event."""
        joined = self.join(members)
        self.wait_for_all(joined, lambda member: bool(member.events), timeout)
        return joined

    def wait_for_all(
        self, members: Sequence[Member], condition: Callable[[Member], bool], timeout: float = 10.0
    ) -> None:
        """Wait until ``condition`` holds for each of ``members``.

        Raises:
            AssertionError: a stream was malformed, or the time is up.
        """

        def holds() -> bool:
            for member in members:
                if member.failure is not None:
                    raise RuntimeError(f"malformed stream: {member.path}") from member.failure
            return all(condition(member) for member in members)

        wait_until(
            holds, timeout, lambda: f"{sum(map(condition, members))} of {len(members)} are so far"
        )

    def drop(self, members: Iterable[Member]) -> None:
        """Close the connection."""
        for member in members:
            self._forget(member)

    def close(self) -> None:
        self._is_closing = True
        self._thread.join(5)
        for wire in self._sockets.values():
            wire.close()
        self._selector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._is_closing:
            for key, _ in self._selector.select(timeout=0.05):
                member: Member = key.data
                try:
                    data = key.fileobj.recv(262_144)  # type: ignore[union-attr]
                    if data:
                        member.feed(data)
                except (BlockingIOError, InterruptedError):
                    continue
                except OSError:
                    data = b""
                except Exception as error:  # noqa: BLE001 - raised where the test waits
                    member.failure = error
                    data = b""
                if not data or member.is_complete:
                    member.ended_at = time.monotonic()
                    self._forget(member)

    def _forget(self, member: Member) -> None:
        wire = self._sockets.pop(member, None)
        if wire is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(wire)
            wire.close()
