"""Problem documents for the errors that only the API raises.

Those that ``/sse`` raises too are answered in ``notifications/entrance/problems.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Response

from api.errors import BodyNotUnderstood, FieldErrors, IfMatchRefused, UnknownParameters
from api.problem_models import MAX_ORDERS_NAMED
from notifications.entrance.problem_types import ProblemCode
from notifications.entrance.problems import problem
from waiter_service.errors import (
    IdempotencyKeyBusy,
    IdempotencyKeyReused,
    IdTaken,
    JoinCodeInvalid,
    Missing,
    NothingToOffer,
    OfferSettled,
    OrdersUnfinished,
    SessionClosedError,
    SessionsOffered,
    StatusConflict,
    TableOccupied,
    TablesInHand,
    TooManySessions,
    TooMuchUnfinished,
    TransferRefused,
    ValidationError,
    VersionConflict,
    WaiterOffShift,
)

# A call takes milliseconds: after a second the first one has finished.
BUSY_RETRY_SECONDS = 1


def missing(error: Missing) -> Response:
    """404, the same for what does not exist and what is not the caller's."""
    return problem(ProblemCode.NOT_FOUND, f"There is no such {error.thing}, or it is not yours.")


def join_code_invalid(error: JoinCodeInvalid) -> Response:
    """404, the same whatever is wrong with the code."""
    return problem(
        ProblemCode.JOIN_CODE_INVALID,
        "This code is not valid, or no longer. Ask your waiter for another one.",
    )


def body_not_understood(error: BodyNotUnderstood) -> Response:
    """400: the body is not JSON."""
    return problem(ProblemCode.BODY_NOT_JSON, str(error))


def unknown_parameters(error: UnknownParameters) -> Response:
    """400, naming the parameters, and those that may be sent."""
    return problem(
        ProblemCode.UNKNOWN_QUERY_PARAMETER,
        str(error),
        unknown=list(error.unknown),
        allowed=list(error.allowed),
    )


def if_match_refused(error: IfMatchRefused) -> Response:
    """400, saying how a change is made to depend on a version."""
    return problem(ProblemCode.IF_MATCH_NOT_SUPPORTED, str(error))


def fields_wrong(error: ValidationError) -> Response:
    """422, naming each field as the client spells it."""
    if isinstance(error, FieldErrors):
        errors = error.errors
    else:
        errors = ((_in_camel_case(error.field), error.message),)
    named = [{"field": field, "message": message} for field, message in errors]
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in named)
    return problem(ProblemCode.INVALID_FIELDS, detail, errors=named)


def status_conflict(error: StatusConflict) -> Response:
    """409, with what can be done instead."""
    return problem(
        (
            ProblemCode.VERSION_CONFLICT
            if isinstance(error, VersionConflict)
            else ProblemCode.ILLEGAL_TRANSITION
        ),
        str(error),
        currentStatus=error.current,
        requestedStatus=error.requested,
        allowed=list(error.allowed),
        version=error.version,
    )


def session_closed(error: SessionClosedError) -> Response:
    """409, naming the session."""
    return problem(ProblemCode.SESSION_CLOSED, str(error), sessionId=error.session_id)


def table_occupied(error: TableOccupied) -> Response:
    """409, naming the table, and its session if the caller may know it."""
    return problem(
        ProblemCode.TABLE_OCCUPIED,
        str(error),
        tableNumber=error.table_number,
        sessionId=error.session_id,
    )


def too_many_sessions(error: TooManySessions) -> Response:
    """409, naming the waiter whose floor is full."""
    return problem(
        ProblemCode.TOO_MANY_SESSIONS, str(error), waiterId=error.waiter_id, most=error.most
    )


def waiter_off_shift(error: WaiterOffShift) -> Response:
    """409, naming the waiter who cannot be given a table."""
    return problem(ProblemCode.WAITER_OFF_SHIFT, str(error), waiterId=error.waiter_id)


def tables_in_hand(error: TablesInHand) -> Response:
    """409, naming the tables that keep the shift from ending."""
    named = [{"sessionId": each, "tableNumber": at} for each, at in error.tables.items()]
    return problem(ProblemCode.TABLES_IN_HAND, str(error), waiterId=error.waiter_id, sessions=named)


def session_offered(error: SessionsOffered) -> Response:
    """409, naming the open offer and what is in it."""
    return problem(
        ProblemCode.SESSION_OFFERED,
        str(error),
        offerId=error.offer_id,
        sessionIds=list(error.session_ids),
    )


def offer_settled(error: OfferSettled) -> Response:
    """409, with the outcome of the offer."""
    return problem(
        ProblemCode.OFFER_SETTLED, str(error), offerId=error.offer_id, outcome=error.outcome
    )


def nothing_to_offer(error: NothingToOffer) -> Response:
    """409, naming the waiter who has no tables."""
    return problem(ProblemCode.NOTHING_TO_OFFER, str(error), waiterId=error.waiter_id)


def too_much_unfinished(error: TooMuchUnfinished) -> Response:
    """409, naming the limit that was reached."""
    code = ProblemCode(f"too_many_{error.what.replace(' ', '_')}")
    return problem(code, str(error), sessionId=error.session_id, most=error.most)


def orders_unfinished(error: OrdersUnfinished) -> Response:
    """409, naming the orders."""
    named = list(error.order_ids[:MAX_ORDERS_NAMED])
    return problem(
        ProblemCode.ORDERS_UNFINISHED, str(error), sessionId=error.session_id, orderIds=named
    )


def id_taken(error: IdTaken) -> Response:
    """409. Ids follow from keys here, see ``Call.chosen_id``, so the client changes the key."""
    return problem(
        ProblemCode.ID_TAKEN,
        f"A {error.thing} was made with this Idempotency-Key before, and is over; "
        "send a new key for a new one.",
    )


def transfer_refused(error: TransferRefused) -> Response:
    """409, naming each session that cannot be transferred, and why."""
    refused = [{"sessionId": each, "reason": why} for each, why in error.reasons.items()]
    return problem(ProblemCode.TRANSFER_REFUSED, str(error), refused=refused)


def key_busy(error: IdempotencyKeyBusy) -> Response:
    """409: the first call with the key is still under way."""
    return problem(
        ProblemCode.IDEMPOTENCY_KEY_BUSY, str(error), retry_after_seconds=BUSY_RETRY_SECONDS
    )


def key_reused(error: IdempotencyKeyReused) -> Response:
    """409: the call is fine, but its key already stands for another one."""
    return problem(ProblemCode.IDEMPOTENCY_KEY_REUSED, str(error))


HANDLERS: dict[type[Exception], Callable[[Any], Response]] = {
    BodyNotUnderstood: body_not_understood,
    UnknownParameters: unknown_parameters,
    IfMatchRefused: if_match_refused,
    Missing: missing,
    JoinCodeInvalid: join_code_invalid,
    ValidationError: fields_wrong,
    StatusConflict: status_conflict,
    SessionClosedError: session_closed,
    TableOccupied: table_occupied,
    TooManySessions: too_many_sessions,
    WaiterOffShift: waiter_off_shift,
    TablesInHand: tables_in_hand,
    SessionsOffered: session_offered,
    OfferSettled: offer_settled,
    NothingToOffer: nothing_to_offer,
    TooMuchUnfinished: too_much_unfinished,
    OrdersUnfinished: orders_unfinished,
    IdTaken: id_taken,
    TransferRefused: transfer_refused,
    IdempotencyKeyBusy: key_busy,
    IdempotencyKeyReused: key_reused,
}


def _in_camel_case(field: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), field)
