"""The fields of bodies and resources, as they are spelled on the wire.

The limits come from ``waiter_service.inputs``, which decides: it may refuse a value
that a pattern here accepts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from notifications.events.payload import format_timestamp
from waiter_service.inputs import (
    ID_PATTERN,
    MAX_ID_CHARS,
    MAX_KIND_CHARS,
    MAX_NAME_CHARS,
    MAX_NOTE_CHARS,
    MAX_QUANTITY,
    MAX_TABLE_NUMBER,
    MAX_VERSION,
)
from waiter_service.statuses import OrderStatus, RequestStatus

# inputs.text() enforces these; here they are only documented. Text has something to
# read, and no control characters except tabs and newlines.
_WORDS = {"pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"}
_SOME_WORDS = {
    "pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*"
    r"[^\s\u0000-\u001f\u007f-\u009f]"
    r"[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"
}


def _whole(value: object) -> object:
    # JSON has one kind of number, and 2.0 is an integer to JSON Schema.
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Always last: pydantic enforces a constraint after it, but does not document it.
_WHOLE = BeforeValidator(_whole)

Id = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_ID_CHARS,
        pattern=ID_PATTERN,
        examples=["table-7"],
    ),
]
TableNumber = Annotated[int, Field(ge=1, le=MAX_TABLE_NUMBER, examples=[7]), _WHOLE]
Version = Annotated[
    int,
    Field(
        ge=1,
        le=MAX_VERSION,
        description="Rises by one with every change. The copy with the higher version is newer.",
    ),
    _WHOLE,
]
ExpectedVersion = Annotated[int, Field(ge=0, le=MAX_VERSION), _WHOLE]
Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY), _WHOLE]
Kind = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_KIND_CHARS,
        examples=["water"],
        json_schema_extra=_SOME_WORDS,
    ),
]
DishName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_NAME_CHARS,
        examples=["Margherita"],
        json_schema_extra=_SOME_WORDS,
    ),
]
WaiterName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_NAME_CHARS,
        examples=["Anna"],
        json_schema_extra=_SOME_WORDS,
    ),
]
VenueName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_NAME_CHARS,
        examples=["The Old Mill"],
        json_schema_extra=_SOME_WORDS,
    ),
]
Words = Annotated[str, Field(max_length=MAX_NOTE_CHARS, json_schema_extra=_WORDS)]
"""A note or a reason; blanks alone count as none."""

Timestamp = Annotated[
    datetime,
    PlainSerializer(format_timestamp, return_type=str),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2024-01-15T10:30:00.000Z"]}
    ),
]

# As text, since any spelling is understood: in_progress, in-progress, InProgress.
AnyRequestStatus = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [status.value for status in RequestStatus]})
]
AnyOrderStatus = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [status.value for status in OrderStatus]})
]
