"""What may be handed in: ids, notes, table numbers, the lines of an order.

Each function returns the value as it will be stored, or raises
``ValidationError`` naming the field. Nothing else guards the tables: a NUL
would be refused by PostgreSQL only, in the middle of a transaction, and an
unpaired surrogate cannot be encoded at all.
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

_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_ID_CHARS - 1}}}", re.ASCII)
# Not str.strip()'s own idea of blanks: that would trim control characters
# away that are refused anywhere else.
_BLANKS = " \t\r\n"


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One line of an order: ``quantity`` times ``name``."""

    name: str
    quantity: int


def is_identifier(value: object) -> bool:
    """Tell whether ``value`` could be an id at all."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def identifier(field: str, value: object) -> str:
    """Return ``value`` if it may become an id."""
    if isinstance(value, str) and is_identifier(value):
        return value
    raise ValidationError(
        field,
        f"must be 1 to {MAX_ID_CHARS} letters, digits, dots, dashes and underscores, "
        "a letter or digit first",
    )


def new_identifier(prefix: str) -> str:
    """Return an id nobody can guess, such as ``order-9f2k...``.

    80 random bits: a guest must not find a neighbour's order by counting.
    """
    return f"{prefix}-{secrets.token_hex(10)}"


def text(field: str, value: object, *, max_chars: int) -> str:
    """Return ``value`` trimmed, with plain newlines; it must then hold something.

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
    """Return ``value`` if it is text that is stored as it is, without blanks around it.

    For ids that others hand out: trimmed, one would no longer be the id in a token.
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
    """Return what kinds are compared by: "crème" is one kind, however it was typed.

    Compatible characters are one (NFKC: a full-width letter is that letter), and
    case makes no difference.
    """
    folded = unicodedata.normalize("NFKC", kind).casefold()
    key = " ".join(unicodedata.normalize("NFKC", folded).split())
    # Both may lengthen: the sharp s becomes two letters.
    return text("kind", key, max_chars=MAX_KIND_CHARS)


def table_number(value: object) -> int:
    """Return the table's number, 1 to 9999."""
    return _whole_number("table_number", value, MAX_TABLE_NUMBER)


def expected_version(value: object) -> int | None:
    """Return the version somebody saw last, or ``None`` if they do not care.

    Nothing has version 0, so whoever expects that has seen something else.
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
