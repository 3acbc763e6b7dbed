"""What a screen is told, and its bytes on the wire.

Each payload is a pydantic model: its fields, in their order, are the JSON's.
:func:`body` turns one into the lines of an event-stream block; the broker
adds the ``id:`` line when it gives the event its place in a channel, so ids
come last and an event is encoded once however many streams it reaches.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from waiter_service.statuses import OrderStatus, RequestStatus

#: The characters that end a line for an event-stream parser, and NUL, which
#: makes it ignore an ``id:`` (WHATWG HTML 9.2.6).
_LINE_BREAKERS = frozenset("\r\n\0")


class AffectedData(StrEnum):
    """What a client should load again, in the order it is listed."""

    REQUESTS = "requests"
    ORDERS = "orders"
    SESSIONS = "sessions"
    ANALYTICS = "analytics"
    REVIEWS = "reviews"
    ALL = "all"


def format_timestamp(moment: datetime) -> str:
    """Return ``moment`` as UTC with milliseconds: ``2024-01-15T10:30:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("must carry a time zone")
    return moment


# All strict: bytes are no id, True is no table, and a number is no moment.
Id = Annotated[
    str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", strict=True)
]
TableNumber = Annotated[int, Field(ge=1, le=9999, strict=True)]
Version = Annotated[int, Field(ge=1, strict=True)]
Milliseconds = Annotated[int, Field(ge=0, strict=True)]
Timestamp = Annotated[
    datetime,
    Field(strict=True),
    AfterValidator(_aware),
    PlainSerializer(format_timestamp, return_type=str),
]
#: Written as people would: 30, not 30.0.
Seconds = Annotated[
    float,
    PlainSerializer(lambda seconds: int(seconds) if seconds.is_integer() else seconds),
]


class Payload(BaseModel):
    """The data of one event; immutable, camelCase on the wire."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid"
    )

    event_type: ClassVar[str]

    def to_json(self) -> str:
        """Return the payload as JSON under its wire names, in ASCII and one line."""
        return self.model_dump_json(by_alias=True, ensure_ascii=True)

    def to_wire(self) -> dict[str, Any]:
        """Return the same as values."""
        wire: dict[str, Any] = json.loads(self.to_json())
        return wire


class RequestUpdate(Payload):
    """A request was raised (``previousStatus`` null) or moved to another status."""

    event_type: ClassVar[str] = "request_update"

    session_id: Id
    waiter_id: Id
    request_id: Id
    table_number: TableNumber
    status: RequestStatus
    previous_status: RequestStatus | None
    message: str
    requires_refresh: bool = True
    timestamp: Timestamp
    version: Version | None = None


class OrderUpdate(Payload):
    """An order was placed (``previousStatus`` null) or moved to another status."""

    event_type: ClassVar[str] = "order_update"

    session_id: Id
    waiter_id: Id
    order_id: Id
    table_number: TableNumber
    status: OrderStatus
    previous_status: OrderStatus | None
    message: str
    requires_refresh: bool = True
    timestamp: Timestamp
    version: Version | None = None


class SessionTransfer(Payload):
    """A session went over to another waiter; ``waiterId`` is the new one."""

    event_type: ClassVar[str] = "session_transfer"

    session_id: Id
    waiter_id: Id
    previous_waiter_id: Id
    table_number: TableNumber
    message: str
    requires_refresh: bool = True
    timestamp: Timestamp
    version: Version | None = None


class CacheRefresh(Payload):
    """What to load again. An empty ``affectedIds`` means all of that kind."""

    event_type: ClassVar[str] = "cache_refresh"

    affected_data: tuple[AffectedData, ...] = Field(min_length=1)
    affected_ids: tuple[Id, ...] = ()
    message: str
    requires_refresh: bool = True
    timestamp: Timestamp


class Connection(Payload):
    """The first event of every stream."""

    event_type: ClassVar[str] = "connection"

    connection_id: str
    session_id: Id | None = None
    waiter_id: Id | None = None
    heartbeat_seconds: Seconds
    resumed: bool
    expires_at: Timestamp

    def to_json(self) -> str:
        """Return the payload with the one id it has: the session's or the waiter's."""
        return self.model_dump_json(by_alias=True, ensure_ascii=True, exclude_none=True)


class Heartbeat(Payload):
    """Proof of life. Named, since a comment never reaches JavaScript."""

    event_type: ClassVar[str] = "heartbeat"

    timestamp: Timestamp


class Closing(Payload):
    """The stream is about to end, why, and whether to come back.

    With ``reconnect_in_ms``, the client should not come back before that.
    """

    event_type: ClassVar[str] = "closing"

    code: str
    reason: str
    reconnect: bool
    reconnect_in_ms: Milliseconds | None = None

    def to_json(self) -> str:
        """Return the payload as JSON, without ``reconnectInMs`` where it is not set."""
        return self.model_dump_json(by_alias=True, ensure_ascii=True, exclude_none=True)


#: Every payload there is, for the schemas in ``docs/``.
PAYLOADS: tuple[type[Payload], ...] = (
    Connection,
    RequestUpdate,
    OrderUpdate,
    SessionTransfer,
    CacheRefresh,
    Heartbeat,
    Closing,
)


def body(payload: Payload) -> bytes:
    """Return ``payload`` as the ``event:`` and ``data:`` lines of a block.

    The JSON is ASCII-escaped: U+2028 and U+2029 end a line for some parsers,
    and what is escaped cannot be cut in the middle of a character. It holds
    no CR or LF either, so one ``data:`` line is enough.

    Raises:
        ValueError: the event type holds NUL, CR or LF. It could forge
            fields, so we refuse, not repair.

    Spec: WHATWG HTML 9.2.6, "Interpreting an event stream".
    """
    _refuse_line_breakers("event type", payload.event_type)
    return f"event: {payload.event_type}\ndata: {payload.to_json()}\n".encode("ascii")


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
        """Return the id ``text`` spells, or None: nonsense is no error (section 4, Resume)."""
        epoch, dash, offset = text.strip().rpartition("-")
        # 18 digits: no honest counter is longer, and int() stays cheap.
        is_sane = dash and epoch.isascii() and epoch.isalnum() and len(epoch) <= 32
        if not (is_sane and offset.isascii() and offset.isdigit() and len(offset) <= 18):
            return None
        return cls(epoch, int(offset))


class Frame:
    """One block, ready to be written to any number of streams.

    Kept as the HTTP/1.1 chunk it is written as: several chunks joined are
    still a valid body, so a whole mailbox is one ``join`` and one write.
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
        """The id a client resumes from."""
        return EventId(self.epoch, self.offset)

    def __repr__(self) -> str:
        return f"StoredEvent({self.epoch}-{self.offset}, {len(self.chunk)} bytes)"
