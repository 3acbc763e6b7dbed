"""The filters of lists: parameters of the query that narrow what is listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from waiter_service.errors import ValidationError
from waiter_service.inputs import ID_PATTERN, MAX_ID_CHARS, MAX_TABLE_NUMBER, identifier
from waiter_service.reading.ticket_lists import MAX_AGE_SECONDS
from waiter_service.statuses import OrderStatus, RequestStatus, Status


@dataclass(frozen=True, slots=True)
class Filter:
    """One parameter of the query.

    Args:
        name: as clients spell it.
        argument: the queries' argument for it.
        description: for the OpenAPI document, as is ``schema``.
        parse: from name and text to the argument's value; raises ``ValidationError``.
    """

    name: str
    argument: str
    description: str
    schema: Mapping[str, Any]
    parse: Callable[[str, str], object]


def whole_number(name: str, text: str, *, least: int, most: int) -> int:
    """Return the number that ``text`` spells.

    Raises:
        ValidationError: it spells none from ``least`` to ``most``.
    """
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not (is_number and least <= int(text) <= most):
        raise ValidationError(name, f"must be a whole number from {least} to {most}")
    return int(text)


def _id(name: str, argument: str, description: str) -> Filter:
    schema = {"type": "string", "maxLength": MAX_ID_CHARS, "pattern": ID_PATTERN}
    return Filter(name, argument, description, schema, identifier)


def _number(name: str, argument: str, description: str, least: int, most: int) -> Filter:
    def parse(name: str, text: str) -> int:
        return whole_number(name, text, least=least, most=most)

    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Filter(name, argument, description, schema, parse)


def _choice(name: str, argument: str, description: str, values: Mapping[str, object]) -> Filter:
    def parse(name: str, text: str) -> object:
        if text not in values:
            raise ValidationError(name, "must be one of: " + ", ".join(values))
        return values[text]

    return Filter(name, argument, description, {"type": "string", "enum": list(values)}, parse)


def _status(statuses: type[Status]) -> Filter:
    def parse(_name: str, text: str) -> object:
        return statuses.parse(text)

    schema = {"type": "string", "enum": [each.value for each in statuses]}
    return Filter("status", "status", "Only with this status, spelled in any case.", schema, parse)


TABLE = _number("table", "table_number", "Only of the table with this number.", 1, MAX_TABLE_NUMBER)
WAITER = _id("waiter", "waiter_id", "Only of this waiter.")
VENUE = _id("venue", "venue_id", "Only of this venue.")
SESSION = _id("session", "session_id", "Only of this session.")
OPEN = _choice(
    "open",
    "is_open",
    "The open ones, by venue and table; that is the default. Or the closed ones, or all, both "
    "with the newest first.",
    {"true": True, "false": False, "all": None},
)
ON_SHIFT = _choice(
    "onShift", "on_shift", "Only those on shift, or off shift.", {"true": True, "false": False}
)
OLDER_THAN = _number(
    "olderThanSeconds",
    "older_than_seconds",
    "Only those made at least so many seconds ago.",
    0,
    MAX_AGE_SECONDS,
)
REQUEST_STATUS = _status(RequestStatus)
ORDER_STATUS = _status(OrderStatus)
