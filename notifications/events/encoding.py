"""An event's bytes on the wire, and its place in a channel.

:func:`body` turns a payload into the lines of an event-stream block; the broker adds the ``id:``
line when it gives the event its place in a channel. So ids come last, and an event is encoded
once however many streams it reaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Self

from notifications.events.payload import Payload

#: The characters that end a line for an event-stream parser, and NUL, which
#: makes it ignore an ``id:`` (WHATWG HTML 9.2.6).
_LINE_BREAKERS = frozenset("\r\n\0")


def body(payload: Payload) -> bytes:
    """Return ``payload`` as the ``event:`` and ``data:`` lines of a block.

    The JSON is ASCII-escaped: U+2028 and U+2029 end a line for some parsers,
    and escaped text cannot be cut in the middle of a character. JSON also holds
    no CR or LF, so one ``data:`` line is enough.

    Raises:
        ValueError: the event type holds NUL, CR or LF. It could forge
            fields, so it is refused, not repaired.

    Spec: WHATWG HTML 9.2.6, "Interpreting an event stream".
    """
    return b"%b%b\n" % (_head(payload.event_type), payload.to_json())


@cache
def _head(event_type: str) -> bytes:
    """Return the ``event:`` line and the beginning of the ``data:`` line."""
    return f"event: {_refuse_line_breakers('event type', event_type)}\ndata: ".encode("ascii")


def block(
    payload: Payload, *, event_id: EventId | None = None, retry_ms: int | None = None
) -> bytes:
    """Return ``payload`` as a whole block, with the fields that are given.

    Raises:
        ValueError: as :func:`body`, for the id too.
    """
    lines = body(payload)
    if retry_ms is not None:
        lines = b"retry: %d\n%b" % (retry_ms, lines)
    if event_id is not None:
        lines += b"id: %b\n" % _refuse_line_breakers("event id", str(event_id)).encode("ascii")
    return lines + b"\n"


def _refuse_line_breakers(name: str, value: str) -> str:
    if not _LINE_BREAKERS.isdisjoint(value):
        raise ValueError(f"the {name} must not hold CR, LF or NUL: {value!r}")
    return value


@dataclass(frozen=True, slots=True)
class EventId:
    """A place in a channel: ``epoch-offset``.

    Offsets rise by one within an epoch; a channel that lost its history gets
    another epoch, so that an old id is recognised and never misread.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the id in ``text``, or None if it is not one."""
        epoch, dash, offset = text.strip().rpartition("-")
        # 18 digits: no real counter is longer, and int() stays cheap.
        is_sane = dash and epoch.isascii() and epoch.isalnum() and len(epoch) <= 32
        if not (is_sane and offset.isascii() and offset.isdigit() and len(offset) <= 18):
            return None
        return cls(epoch, int(offset))


class Frame:
    """One block, ready to be written to any number of streams.

    Stored as an HTTP/1.1 chunk: several joined chunks are still a valid body, so a
    whole mailbox is one ``join`` and one write.
    """

    __slots__ = ("chunk",)

    def __init__(self, block: bytes) -> None:
        # RFC 9112, section 7.1.
        self.chunk = b"%x\r\n%b\r\n" % (len(block), block)

    @property
    def block(self) -> bytes:
        """The event-stream block without HTTP framing."""
        return self.chunk[self.chunk.index(b"\n") + 1 : -2]


class StoredEvent(Frame):
    """An event with its place in a channel."""

    __slots__ = ("epoch", "offset")

    def __init__(self, epoch: str, offset: int, event_body: bytes) -> None:
        super().__init__(b"%bid: %b-%d\n\n" % (event_body, epoch.encode("ascii"), offset))
        self.epoch = epoch
        self.offset = offset

    @property
    def event_id(self) -> EventId:
        """The id from which a client resumes."""
        return EventId(self.epoch, self.offset)

    def __repr__(self) -> str:
        return f"StoredEvent({self.epoch}-{self.offset}, {len(self.chunk)} bytes)"
