"""The shapes of refusals, for the OpenAPI document; ``problems.py`` makes the refusals."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.fields import Id, TableNumber, Version
from waiter_service.offer_outcome import OfferOutcome

#: More than anyone looks at.
MAX_ORDERS_NAMED = 100


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    model_config = ConfigDict(alias_generator=to_camel, extra="allow")

    type: str = Field(
        description="The address of a page about this kind of problem.",
        examples=["/api/problems/not_found"],
        json_schema_extra={"format": "uri-reference"},
    )
    title: str
    status: int
    code: str = Field(description="The kind of problem, for programs.", examples=["not_found"])
    detail: str = Field(description="What is wrong, for people.")
    request_id: str | None = Field(
        None,
        description="The request's id, as in the header X-Request-ID and in the service's log.",
    )


class FieldError(BaseModel):
    """One field of the body, or a header, and what it must be."""

    field: str = Field(examples=["items[0].quantity"])
    message: str


class UnknownParameterProblem(Problem):
    """The query has parameters that this path does not know."""

    code: Literal["unknown_query_parameter"]
    unknown: list[str] = Field(min_length=1)
    allowed: list[str] = Field(description="The parameters that the query may have.")


class FieldsProblem(Problem):
    """The call is understood, but some fields are invalid."""

    code: Literal["invalid_fields"]
    errors: list[FieldError] = Field(min_length=1)


class StatusConflictProblem(Problem):
    """The move is not allowed, or someone else changed it first."""

    code: Literal["illegal_transition", "version_conflict"]
    current_status: str
    requested_status: str
    allowed: list[str] = Field(description="The statuses that the caller may set instead.")
    version: Version


class SessionClosedProblem(Problem):
    """The guests have left."""

    code: Literal["session_closed"]
    session_id: Id


class TableOccupiedProblem(Problem):
    """Guests already sit there; ``sessionId`` is null if the caller may not see the session."""

    code: Literal["table_occupied"]
    table_number: TableNumber
    session_id: Id | None


class TooManySessionsProblem(Problem):
    """The waiter already has as many tables as one waiter may open."""

    code: Literal["too_many_sessions"]
    waiter_id: Id
    most: int = Field(description="The limit.")


class WaiterOffShiftProblem(Problem):
    """The waiter is off shift, so they can be given no table."""

    code: Literal["waiter_off_shift"]
    waiter_id: Id


class TableInHand(BaseModel):
    """A session on the floor of a waiter whose shift is to end."""

    model_config = ConfigDict(alias_generator=to_camel)

    session_id: Id
    table_number: TableNumber


class TablesInHandProblem(Problem):
    """The shift does not end, because the waiter has these tables in hand."""

    code: Literal["tables_in_hand"]
    waiter_id: Id
    sessions: list[TableInHand] = Field(min_length=1)


class SessionOfferedProblem(Problem):
    """Some of the sessions are in an open offer already."""

    code: Literal["session_offered"]
    offer_id: Id
    session_ids: list[Id] = Field(min_length=1)


class OfferSettledProblem(Problem):
    """The offer has ended otherwise."""

    code: Literal["offer_settled"]
    offer_id: Id
    outcome: OfferOutcome


class NothingToOfferProblem(Problem):
    """The waiter has no tables."""

    code: Literal["nothing_to_offer"]
    waiter_id: Id


class TooMuchUnfinishedProblem(Problem):
    """The guests already have as much unfinished as they may."""

    code: Literal["too_many_requests", "too_many_orders", "too_many_order_lines"]
    session_id: Id
    most: int = Field(description="The limit.")


class OrdersUnfinishedProblem(Problem):
    """Orders are unfinished, and the closing was not forced."""

    code: Literal["orders_unfinished"]
    session_id: Id
    order_ids: list[Id] = Field(min_length=1, max_length=MAX_ORDERS_NAMED)


class RefusedSession(BaseModel):
    """A session that cannot be transferred, and why."""

    model_config = ConfigDict(alias_generator=to_camel)

    session_id: Id
    reason: str


class TransferRefusedProblem(Problem):
    """Nothing was transferred, because these sessions cannot be."""

    code: Literal["transfer_refused"]
    refused: list[RefusedSession] = Field(min_length=1)
