"""A parser of event-stream bytes by the specification (WHATWG HTML, 9.2.6).

Stricter than a browser: an unknown field, data that is not a JSON object or text
that is not UTF-8 is an error of our server, and fails the test.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SseEvent:
    """One dispatched event. ``id`` is its own id line, ``None`` without one."""

    type: str
    text: str
    id: str | None
    received_at: float
    """On ``time.monotonic()``'s clock."""

    @property
    def data(self) -> Any:
        """The data, read as JSON."""
        return json.loads(self.text)


class SseParser:
    """Passes each event to ``dispatch`` as soon as its empty line has arrived."""

    def __init__(
        self, dispatch: Callable[[SseEvent], None], set_retry: Callable[[int], None]
    ) -> None:
        self._dispatch = dispatch
        self._set_retry = set_retry
        self._rest = b""
        self._type = ""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes, which may be cut anywhere."""
        self._rest += chunk
        # The specification also ends lines at CR. Our server writes only LF,
        # so a CR is unescaped input.
        assert b"\r" not in chunk, f"CR in the stream: {chunk!r}"
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            self._line(line.decode("utf-8", errors="strict"))

    def _line(self, line: str) -> None:
        if not line:
            self._end_of_block()
            return
        name, colon, value = line.partition(":")
        assert colon, f"a line without a colon: {line!r}"
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id":
                assert "\0" not in value, "NUL in an id"
                self._id = value
            case "retry":
                assert value.isdecimal(), f"retry: {value!r}"
                self._set_retry(int(value))
            case "":
                pass  # a comment
            case _:
                raise AssertionError(f"unknown field: {line!r}")

    def _end_of_block(self) -> None:
        if self._data:
            event = SseEvent(
                type=self._type or "message",
                text="\n".join(self._data),
                id=self._id,
                received_at=time.monotonic(),
            )
            assert isinstance(event.data, dict), f"data is not a JSON object: {event.text!r}"
            self._dispatch(event)
        self._clear()

    def _clear(self) -> None:
        self._type, self._data, self._id = "", [], None
