"""Pages: how much is read at once, and where the next page begins.

Every statement reads along an index and stops as soon as the page is full, so the cost of a
page does not depend on the number of rows. Between a few rows other greenlets run.
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

#: The most that a page may weigh (see ``weight_of``) before its last request or order. One
#: weighs 250,000 at most, so an answer stays below 1 MB.
MAX_PAGE_WEIGHT = 700_000

#: Finished requests and orders in a page of a session.
DEFAULT_LIMIT = 50
MAX_LIMIT = 500

#: A cursor consists of a few ids of 64 characters.
MAX_CURSOR_CHARS = 500

NOT_OURS = "must be the next of an answer"

T = TypeVar("T")
Ticket = RequestView | OrderView


def rows(orm: Session, statement: Select[T], at_once: int = ITEMS_AT_ONCE) -> Iterator[T]:
    """Yield the rows of ``statement``, read as they are consumed, with pauses in between."""
    found = orm.scalars(statement.execution_options(yield_per=at_once))
    try:
        yield from paced(found, at_once)
    finally:
        found.close()


def weight_of(ticket: Ticket) -> int:
    """Return the most characters that ``ticket`` can take in an answer of the API.

    Its texts decide: in ASCII a character may need one more for its escape, and an emoji
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
    """Return how many finished requests and orders a page may have."""
    if limit is None:
        return DEFAULT_LIMIT
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        raise ValidationError("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return limit


def encode_cursor(*parts: str) -> str:
    """Return a place in a list as clients pass it back: letters, digits, dashes, underscores."""
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: object, *sections: str) -> list[str]:
    """Return the parts passed to ``encode_cursor``, the first of them one of ``sections``.

    Raises:
        ValidationError: it was not made by ``encode_cursor``, or not for this list.
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
    """Return whether every database accepts ``text``: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def moment_in(text: str) -> datetime:
    """Return the moment in a cursor."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationError("cursor", NOT_OURS) from None
