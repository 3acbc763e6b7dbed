"""The base classes of the events' data, and the fields they share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from waiter_service.inputs import ID_PATTERN, MAX_ID_CHARS, MAX_TABLE_NUMBER


def format_timestamp(moment: datetime) -> str:
    """Return ``moment`` as UTC with milliseconds: ``2024-01-15T10:30:00.000Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("must carry a time zone")
    return moment


# All strict: bytes are not an id, True is not a table, and a number is not a moment.
Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS, pattern=ID_PATTERN, strict=True)]
Moment = Annotated[
    datetime,
    Field(strict=True),
    AfterValidator(_aware),
    PlainSerializer(format_timestamp, return_type=str),
]

# The keys that several events have, and their meaning.
SessionId = Annotated[Id, Field(description="The session at the table.")]
WaiterId = Annotated[Id, Field(description="Who holds the session now.")]
TableNumber = Annotated[
    int, Field(ge=1, le=MAX_TABLE_NUMBER, strict=True, description="The number on the table.")
]
Message = Annotated[str, Field(description="What happened, as an English sentence.")]
Code = Annotated[str, Field(description="The code of the sentence, for other languages.")]
#: For a field ``params``.
PARAMS_MEANING = "The values in the sentence, for other languages."
RequiresRefresh = Annotated[
    bool, Field(description="Whether data on the screen is now out of date.")
]
Timestamp = Annotated[Moment, Field(description="When it happened, in UTC.")]
Version = Annotated[
    Annotated[int, Field(ge=1, strict=True)] | None,
    Field(description="Rises by one with each change; null if the sender keeps no versions."),
]

#: The time of the examples in the documents.
EXAMPLE_MOMENT = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)


class WireModel(BaseModel):
    """Immutable; camelCase on the wire."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid"
    )


class TableParams(WireModel):
    """The values in a sentence about a table."""

    table_number: TableNumber


class Payload(WireModel):
    """The data of one event. The docstring of an event's class says what it means."""

    event_type: ClassVar[str]
    #: The audience in words, for the documents.
    goes_to: ClassVar[str] = "the one client"
    #: The meaning of the ``id:`` beside it; None if it has none.
    id_meaning: ClassVar[str | None] = None
    #: Whether keys without a value are left out. Otherwise they are null.
    omits_null: ClassVar[bool] = False

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        raise NotImplementedError(f"{cls.__name__} needs an example for the documents")

    def to_json(self) -> bytes:
        """Return the payload as JSON under its wire names, in ASCII and one line."""
        # What model_dump_json calls, without decoding the bytes in between.
        return self.__pydantic_serializer__.to_json(
            self, by_alias=True, ensure_ascii=True, exclude_none=self.omits_null
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the same as Python values."""
        wire: dict[str, Any] = json.loads(self.to_json())
        return wire


class PublishedEvent(Payload):
    """An event that is published to channels and kept in their histories.

    Its fields include ``message``, an English sentence, and beside it ``code`` and ``params``,
    from which a program makes the sentence in another language. The codes are stable.
    """

    id_meaning: ClassVar[str | None] = "The id of the event, to resume from."
    #: The sentence of each ``code``, with the names of ``params`` in braces; for the documents.
    sentences: ClassVar[Mapping[str, str]]
