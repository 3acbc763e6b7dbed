"""Parsing an event stream as a browser does."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

# CR LF is one line end; so is either alone.
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Event:
    """One event; a client that has seen it resumes after ``id``."""

    type: str
    data: str
    id: str


class EventStreamParser:
    """Turns bytes, cut anywhere, into events.

    ``last_event_id`` and ``retry_ms`` are the stream's latest values; ``retry_ms`` is None
    until the stream sends one.

    Spec: WHATWG HTML 9.2.6, "Interpreting an event stream".
    """

    def __init__(self, last_event_id: str = "") -> None:
        self.last_event_id = last_event_id
        self.retry_ms: int | None = None
        # Removes one byte order mark, and keeps a character that is cut in two.
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._rest = ""
        self._ended_with_cr = False
        self._type = ""
        self._data: list[str] = []
        self._id = last_event_id

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield the events that ``chunk`` completes."""
        text = self._decoder.decode(chunk)
        if not text:
            return
        if self._ended_with_cr:
            # The line ended at the CR already; this LF belongs to it.
            text = text.removeprefix("\n")
        self._ended_with_cr = text.endswith("\r")
        *lines, self._rest = _LINE_END.split(self._rest + text)
        for line in lines:
            if line:
                self._take_field(line)
            else:
                yield from self._end_block()

    def _take_field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdecimal():
                self.retry_ms = int(value[:18])

    def _end_block(self) -> Iterator[Event]:
        # A block cut off before its empty line does not count, and neither does its id.
        self.last_event_id = self._id
        event_type, data = self._type or "message", self._data
        self._type, self._data = "", []
        if data:
            yield Event(event_type, "\n".join(data), self.last_event_id)
