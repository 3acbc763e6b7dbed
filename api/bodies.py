"""What clients send. Each body is validated before anything is looked up."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from api.errors import BodyNotUnderstood, FieldErrors
from api.fields import (
    AnyOrderStatus,
    AnyRequestStatus,
    DishName,
    ExpectedVersion,
    Id,
    Kind,
    Quantity,
    TableNumber,
    WaiterName,
    Words,
)
from waiter_service.floor.transfers import MAX_SESSIONS
from waiter_service.inputs import MAX_LINES_PER_ORDER
from waiter_service.transfer_cause import TransferCause

# A body may be wrong in thousands of places; nobody reads so many.
MAX_ERRORS = 20
MAX_SHOWN_NAME_CHARS = 64


class Body(BaseModel):
    """A JSON object in camelCase with the fields named here, of exactly these types."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"additionalProperties": False},
    )


class AddWaiter(Body):
    """Somebody begins to work here."""

    id: Id
    name: WaiterName


class OpenSession(Body):
    """Guests sit down at a table."""

    table_number: TableNumber
    waiter_id: Id | None = Field(
        default=None, description="Who serves them. Default: the caller, if a waiter."
    )


class JoinTable(Body):
    """A guest has read or scanned the code of a table."""

    code: Annotated[
        str,
        Field(
            description="In any case, with or without hyphens; O, I and L are read as 0 and 1.",
            examples=["7K3M-Q9XT-0VHB"],
        ),
    ]


class CreateRequest(Body):
    """Guests ask for something."""

    kind: Kind
    note: Words | None = None


class OrderLine(Body):
    """So many of a dish."""

    name: DishName
    quantity: Quantity


class PlaceOrder(Body):
    """Guests order."""

    items: Annotated[list[OrderLine], Field(min_length=1, max_length=MAX_LINES_PER_ORDER)]
    note: Words | None = None


class ChangeStatus(Body):
    """What moving a request and moving an order have in common."""

    expected_version: ExpectedVersion | None = Field(
        default=None,
        description="The version you saw: the move is refused if it is no longer that one.",
    )
    reason: Words | None = Field(default=None, description="Kept in the audit.")


class ChangeRequestStatus(ChangeStatus):
    """Move a request on."""

    status: AnyRequestStatus


class ChangeOrderStatus(ChangeStatus):
    """Move an order on."""

    status: AnyOrderStatus


class CloseSession(Body):
    """Guests leave."""

    reason: Words | None = Field(default=None, description="Kept in the audit.")
    force: bool = Field(
        default=False, description="Also with orders unfinished; then say why, in ``reason``."
    )


class ReopenSession(Body):
    """They have not left."""

    reason: Words | None = Field(default=None, description="Kept in the audit.")


class TransferSessions(Body):
    """Tables change hands."""

    to_waiter_id: Id
    session_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_SESSIONS)] | None = Field(
        default=None, description="Default: all open sessions of the waiter."
    )
    cause: TransferCause = Field(
        default=TransferCause.SHIFT_CHANGE,
        description="Why, for guests to read; `other` says nothing.",
    )
    reason: Words | None = Field(
        default=None, description="Why, for the staff. Kept in the audit; guests never see it."
    )


B = TypeVar("B", bound=Body)


def parse(model: type[B], raw: bytes) -> B:
    """Return the body that ``raw`` spells.

    pydantic's own parser bounds depth and length of numbers, and refuses
    unpaired surrogates, which Python's would let through to the database.

    Raises:
        BodyNotUnderstood: no JSON, or not in UTF-8.
        FieldErrors: JSON, but not this body; names each field.
    """
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        if found[0]["type"] == "json_invalid":
            raise BodyNotUnderstood(f"The body is not understood. {found[0]['msg']}.") from None
        named = [(_path(each["loc"]), each["msg"]) for each in found[:MAX_ERRORS]]
        raise FieldErrors(named) from None


def _path(location: tuple[int | str, ...]) -> str:
    """Spell a place as a client would: ``items[0].quantity``."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            name = step[:MAX_SHOWN_NAME_CHARS]
            path += f".{name}" if path else name
    return path or "body"
