"""Answers in pages: how much is read at once, and where the next page begins.

Every statement here reads along an index and is stopped as soon as the page is
full, so a page costs the same however much there is. Between a few rows others
get their turn.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import Session

from waiter_service.errors import ValidationError
from waiter_service.pacing import ITEMS_AT_ONCE, paced
from waiter_service.views import OrderView, RequestView

#: What a page may hold, by ``weight_of``, before its last ticket: one weighs 250,000 at
#: most, so that an answer stays below a megabyte.
MAX_PAGE_WEIGHT = 700_000

#: Finished tickets in a page of a session.
DEFAULT_LIMIT = 50
MAX_LIMIT = 500

#: A cursor is made of a few ids of 64 characters.
MAX_CURSOR_CHARS = 500

NOT_OURS = "must be the next of an answer"

T = TypeVar("T")
Ticket = RequestView | OrderView


def rows(orm: Session, statement: Select[T], at_once: int = ITEMS_AT_ONCE) -> Iterator[T]:
    """Yield what ``statement`` selects, reading as it is consumed, with pauses in between."""
    found = orm.scalars(statement.execution_options(yield_per=at_once))
    try:
        yield from paced(found, at_once)
    finally:
        found.close()


def weight_of(ticket: Ticket) -> int:
    """Return the most characters that ``ticket`` can take in an answer of the API.

    The texts decide it: in ASCII a character may be escaped by one more, an emoji
    takes twelve.
    """
    if isinstance(ticket, RequestView):
        return 700 + _chars(ticket.kind) + _chars(ticket.note)
    items = sum(50 + _chars(item.name) for item in ticket.items)
    return 700 + _chars(ticket.note) + items


def _chars(text: str | None) -> int:
    if text is None:
        return 0
    return len(text) * (2 if text.isascii() else 12)


def limit_of(limit: object) -> int:
    """Return how many finished tickets a page is to have, by default some."""
    if limit is None:
        return DEFAULT_LIMIT
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        raise ValidationError("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return limit


def encode_cursor(*parts: str) -> str:
    """Return a place in a list as clients hand it back: letters, digits, dashes, underscores."""
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: object, *sections: str) -> list[str]:
    """Return the parts that ``encode_cursor`` was given, the first of them one of ``sections``.

    Raises:
        ValidationError: it was not made there, or not for such a list.
    """
    if isinstance(cursor, str) and len(cursor) <= MAX_CURSOR_CHARS and cursor.isascii():
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            parts: Any = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (binascii.Error, ValueError, RecursionError):
            parts = None
        if (
            isinstance(parts, list)
            and len(parts) == 4
            and all(isinstance(part, str) and _can_be_asked_for(part) for part in parts)
            and parts[0] in sections
        ):
            return parts
    raise ValidationError("cursor", NOT_OURS)


def _can_be_asked_for(text: str) -> bool:
    """Tell whether every database takes ``text``: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def moment_in(text: str) -> datetime:
    """Return the moment in a cursor."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationError("cursor", NOT_OURS) from None
