"""Validation of input: ids, notes, table numbers, the lines of an order.

Each function returns the value as it will be stored, or raises
``ValidationError`` naming the field. No other code protects the tables:
PostgreSQL alone would refuse a NUL, in the middle of a transaction, and an unpaired
surrogate cannot be encoded at all.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waiter_service.errors import ValidationError

MAX_ID_CHARS = 64
MAX_ACTOR_ID_CHARS = 128
MAX_NOTE_CHARS = 500
MAX_KIND_CHARS = 64
MAX_NAME_CHARS = 200
MAX_TABLE_NUMBER = 9_999
MAX_LINES_PER_ORDER = 100
MAX_QUANTITY = 99
# The column is a 32-bit integer on PostgreSQL.
MAX_VERSION = 2**31 - 1

#: The rule for ids, for patterns in schemas and for people; MAX_ID_CHARS is part of it.
ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
ID_RULE = (
    f"must be 1 to {MAX_ID_CHARS} letters, digits, dots, dashes and underscores, "
    "a letter or digit first"
)
_ID = re.compile(ID_PATTERN.strip("^$"))
# str.strip() without arguments would also remove control characters, which are
# refused everywhere else in a text.
_BLANKS = " \t\r\n"


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One line of an order: ``quantity`` times ``name``."""

    name: str
    quantity: int


def is_identifier(value: object) -> bool:
    """Return whether ``value`` has the form of an id."""
    return (
        isinstance(value, str) and len(value) <= MAX_ID_CHARS and _ID.fullmatch(value) is not None
    )


def identifier(field: str, value: object) -> str:
    """Return ``value`` if it has the form of an id."""
    if isinstance(value, str) and is_identifier(value):
        return value
    raise ValidationError(field, ID_RULE)


def new_identifier(prefix: str) -> str:
    """Return a new id that cannot be guessed, such as ``order-9f2k...``.

    80 random bits: a guest must not find a neighbour's order by counting.
    """
    return f"{prefix}-{secrets.token_hex(10)}"


def text(field: str, value: object, *, max_chars: int) -> str:
    """Return ``value`` trimmed, with plain newlines; it must not be empty then.

    Newlines and tabs are text, and so are separators such as U+2028;
    other control characters and unpaired surrogates are refused.
    """
    if not isinstance(value, str):
        raise ValidationError(field, "must be text")
    cleaned = value.replace("\r\n", "\n").strip(_BLANKS)
    if not cleaned:
        raise ValidationError(field, "must not be empty")
    if len(cleaned) > max_chars:
        raise ValidationError(field, f"must not be longer than {max_chars} characters")
    for character in cleaned:
        category = unicodedata.category(character)
        if category == "Cs":
            raise ValidationError(field, "must not hold unpaired surrogates")
        if category == "Cc" and character not in "\n\t":
            raise ValidationError(
                field, f"must not hold control characters (U+{ord(character):04X})"
            )
    return cleaned


def exact_text(field: str, value: object, *, max_chars: int = MAX_ACTOR_ID_CHARS) -> str:
    """Return ``value`` unchanged; text with blanks around it is refused.

    For ids that other systems issue: a trimmed id would differ from the one in a token.
    """
    if text(field, value, max_chars=max_chars) != value:
        raise ValidationError(field, "must hold no blanks around it")
    return str(value)


def optional_text(field: str, value: object, *, max_chars: int = MAX_NOTE_CHARS) -> str | None:
    """Return ``value`` like ``text``, or ``None`` for nothing or blanks."""
    if value is None or (isinstance(value, str) and not value.strip(_BLANKS)):
        return None
    return text(field, value, max_chars=max_chars)


def request_kind(value: object) -> str:
    """Return the kind as it is stored and shown: composed (NFC), with single blanks."""
    if isinstance(value, str):
        value = unicodedata.normalize("NFC", value)
    cleaned = text("kind", value, max_chars=MAX_KIND_CHARS)
    return text("kind", " ".join(cleaned.split()), max_chars=MAX_KIND_CHARS)


def kind_key(kind: str) -> str:
    """Return the key by which kinds are compared: "crème" is one kind, however it was typed.

    Case does not matter, and compatible characters count as the same (NFKC: a full-width
    letter equals the ordinary one).
    """
    folded = unicodedata.normalize("NFKC", kind).casefold()
    key = " ".join(unicodedata.normalize("NFKC", folded).split())
    # Normalising and folding may lengthen the text: a sharp s becomes two letters.
    return text("kind", key, max_chars=MAX_KIND_CHARS)


def table_number(value: object) -> int:
    """Return the table's number, 1 to 9999."""
    return _whole_number("table_number", value, MAX_TABLE_NUMBER)


def expected_version(value: object) -> int | None:
    """Return the version that the caller saw last, or ``None`` if any version will do.

    0 is accepted, though nothing has version 0: it always ends in a conflict.
    """
    if value is None:
        return None
    return _whole_number("expected_version", value, MAX_VERSION, smallest=0)


def order_items(value: object) -> tuple[OrderItem, ...]:
    """Return the lines of an order: 1 to 100 of ``{"name": ..., "quantity": 1..99}``."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise ValidationError("items", "must be a list")
    if not 1 <= len(value) <= MAX_LINES_PER_ORDER:
        raise ValidationError("items", f"must hold 1 to {MAX_LINES_PER_ORDER} lines")
    return tuple(_order_item(f"items[{index}]", line) for index, line in enumerate(value))


def _order_item(field: str, line: object) -> OrderItem:
    if isinstance(line, OrderItem):
        line = {"name": line.name, "quantity": line.quantity}
    if not isinstance(line, Mapping):
        raise ValidationError(field, "must hold name and quantity")
    unknown = [key for key in line if key not in ("name", "quantity")]
    if unknown:
        raise ValidationError(field, "may hold name and quantity only")
    return OrderItem(
        name=text(f"{field}.name", line.get("name"), max_chars=MAX_NAME_CHARS),
        quantity=_whole_number(f"{field}.quantity", line.get("quantity"), MAX_QUANTITY),
    )


def _whole_number(field: str, value: object, largest: int, *, smallest: int = 1) -> int:
    # True is an int to Python, and table 1 to a careless caller.
    if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
        raise ValidationError(field, f"must be a whole number from {smallest} to {largest}")
    return value
