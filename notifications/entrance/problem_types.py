"""What can be wrong with an HTTP request: one code for each kind, and a page about it.

This table is the only place that names a code, its status and its words. ``problems.py``
makes answers of it and serves the pages; ``docs/problems.md`` lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from notifications.entrance import request_id


class ProblemCode(StrEnum):
    """The ``code`` of a problem document, as spelled on the wire."""

    BAD_REQUEST = "bad_request"
    BODY_NOT_JSON = "body_not_json"
    IF_MATCH_NOT_SUPPORTED = "if_match_not_supported"
    TOKEN_IN_QUERY = "token_in_query"  # noqa: S105 - no password
    UNKNOWN_QUERY_PARAMETER = "unknown_query_parameter"
    NOT_AUTHENTICATED = "not_authenticated"
    DEMO_LOCAL_ONLY = "demo_local_only"
    NOT_ALLOWED = "not_allowed"
    JOIN_CODE_INVALID = "join_code_invalid"
    NOT_FOUND = "not_found"
    UNKNOWN_PATH = "unknown_path"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_TIMEOUT = "request_timeout"
    ID_TAKEN = "id_taken"
    IDEMPOTENCY_KEY_BUSY = "idempotency_key_busy"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    ILLEGAL_TRANSITION = "illegal_transition"
    NOTHING_TO_OFFER = "nothing_to_offer"
    OFFER_SETTLED = "offer_settled"
    ORDERS_UNFINISHED = "orders_unfinished"
    SESSION_CLOSED = "session_closed"
    SESSION_OFFERED = "session_offered"
    TABLE_OCCUPIED = "table_occupied"
    TABLES_IN_HAND = "tables_in_hand"
    TOO_MANY_ORDER_LINES = "too_many_order_lines"
    TOO_MANY_ORDERS = "too_many_orders"
    TOO_MANY_REQUESTS = "too_many_requests"
    TOO_MANY_SESSIONS = "too_many_sessions"
    TRANSFER_REFUSED = "transfer_refused"
    VERSION_CONFLICT = "version_conflict"
    WAITER_OFF_SHIFT = "waiter_off_shift"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_FIELDS = "invalid_fields"
    TOO_MANY_CALLS = "too_many_calls"
    TOO_MANY_CHANGES = "too_many_changes"
    TOO_MANY_OPENS = "too_many_opens"
    TOO_MANY_STREAMS = "too_many_streams"
    TOO_MANY_VENUE_CALLS = "too_many_venue_calls"
    TOO_MANY_VENUE_CHANGES = "too_many_venue_changes"
    VENUE_FULL = "venue_full"
    HTTP_ERROR = "http_error"
    INTERNAL_ERROR = "internal_error"
    NO_ANSWER = "no_answer"
    BROKER_UNUSABLE = "broker_unusable"
    DATABASE_UNAVAILABLE = "database_unavailable"
    HISTORY_UNAVAILABLE = "history_unavailable"
    NOT_READY = "not_ready"
    SERVER_BUSY = "server_busy"
    SERVER_DRAINING = "server_draining"
    SERVER_FULL = "server_full"
    STANDING_BY = "standing_by"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of problem, in words for developers.

    ``statuses`` are those it comes with, the usual one first. Empty means any.
    """

    statuses: tuple[int, ...]
    title: str
    meaning: str
    remedy: str


_LATER = "Wait as long as Retry-After says, then try again."
_OPERATOR = "Try again later. The service's log and /sse/health say what is wrong."

TYPES: Mapping[ProblemCode, ProblemType] = MappingProxyType(
    {
        ProblemCode.BAD_REQUEST: ProblemType(
            (400,), "Bad request", "The request cannot be understood.", "Do what `detail` says."
        ),
        ProblemCode.BODY_NOT_JSON: ProblemType(
            (400,), "Body is not JSON", "The body is not JSON in UTF-8.", "Send a JSON object."
        ),
        ProblemCode.IF_MATCH_NOT_SUPPORTED: ProblemType(
            (400,),
            "If-Match is not supported",
            "The request has an If-Match header. Nothing was changed.",
            "Send the version you saw as `expectedVersion` in the body.",
        ),
        ProblemCode.TOKEN_IN_QUERY: ProblemType(
            (400,),
            "Token in the query",
            "The proxy found a token in the query of a call.",
            "Send it as `Authorization: Bearer`.",
        ),
        ProblemCode.UNKNOWN_QUERY_PARAMETER: ProblemType(
            (400,),
            "Unknown query parameter",
            "The query has parameters that this path does not know; `unknown` names them.",
            "Send only what `allowed` lists.",
        ),
        ProblemCode.NOT_AUTHENTICATED: ProblemType(
            (401,),
            "Not authenticated",
            "There is no token, or it is malformed, forged, expired or revoked.",
            "Get a new token.",
        ),
        ProblemCode.DEMO_LOCAL_ONLY: ProblemType(
            (403,),
            "The demo is for this machine",
            "The demo answers only the machine it runs on.",
            "Set `DEMO=public` to show it to others.",
        ),
        ProblemCode.NOT_ALLOWED: ProblemType(
            (403,),
            "Not allowed",
            "The token is good, but its bearer may not do this.",
            "Use a token whose bearer may do it.",
        ),
        ProblemCode.JOIN_CODE_INVALID: ProblemType(
            (404,),
            "Join code is not valid",
            "The code is wrong, has ended or has been used by as many guests as it serves.",
            "Ask the waiter for another code.",
        ),
        ProblemCode.NOT_FOUND: ProblemType(
            (404,),
            "Not found",
            "It does not exist, or it is not yours. The answer is the same for both.",
            "Load your data again and continue from there.",
        ),
        ProblemCode.UNKNOWN_PATH: ProblemType(
            (404,),
            "Unknown path",
            "The service has nothing at this path.",
            "Look the path up in `/api/openapi.json`.",
        ),
        ProblemCode.METHOD_NOT_ALLOWED: ProblemType(
            (405,),
            "Method not allowed",
            "The path is right, the method is not.",
            "Use a method that the `Allow` header lists.",
        ),
        ProblemCode.REQUEST_TIMEOUT: ProblemType(
            (408,), "Request timeout", "The body did not arrive in time.", "Send it again."
        ),
        ProblemCode.ID_TAKEN: ProblemType(
            (409,),
            "Already made",
            "The session, order or request made with this Idempotency-Key has ended.",
            "Send a new key to make a new one.",
        ),
        ProblemCode.IDEMPOTENCY_KEY_BUSY: ProblemType(
            (409,),
            "Idempotency-Key is in use",
            "The first call with this Idempotency-Key is still being answered.",
            _LATER,
        ),
        ProblemCode.IDEMPOTENCY_KEY_REUSED: ProblemType(
            (409,),
            "Idempotency-Key was used for something else",
            "An earlier call sent this key with another path or body.",
            "Send a new key.",
        ),
        ProblemCode.ILLEGAL_TRANSITION: ProblemType(
            (409,),
            "Illegal move",
            "This caller may not move it from `currentStatus` to that status.",
            "Choose one of `allowed`.",
        ),
        ProblemCode.NOTHING_TO_OFFER: ProblemType(
            (409,),
            "Nothing to offer",
            "The waiter has no tables that could be offered.",
            "Load your data again.",
        ),
        ProblemCode.OFFER_SETTLED: ProblemType(
            (409,),
            "Offer is settled",
            "The offer has ended already; `outcome` says how.",
            "Load your data again. The tables can be offered again.",
        ),
        ProblemCode.ORDERS_UNFINISHED: ProblemType(
            (409,),
            "Orders are unfinished",
            "The session cannot be closed while it has unfinished orders; `orderIds` names them.",
            "Finish them, or close with `force` and a `reason`.",
        ),
        ProblemCode.SESSION_CLOSED: ProblemType(
            (409, 403),
            "Session is closed",
            "The guests have left. 409 is the answer to a change, 403 to a guest's stream.",
            "Stop asking for this session.",
        ),
        ProblemCode.SESSION_OFFERED: ProblemType(
            (409,),
            "Session is offered",
            "Some of the sessions are in the open offer `offerId`.",
            "Withdraw that offer first.",
        ),
        ProblemCode.TABLE_OCCUPIED: ProblemType(
            (409,),
            "Table is occupied",
            "There are guests at `tableNumber` already.",
            "Close their session first, or choose another table.",
        ),
        ProblemCode.TABLES_IN_HAND: ProblemType(
            (409,),
            "Tables in hand",
            "The shift cannot end while the waiter has tables; `sessions` names them.",
            "Close the tables, or send `toWaiterId`.",
        ),
        ProblemCode.TOO_MANY_ORDER_LINES: ProblemType(
            (409,),
            "Too many order lines",
            "The table has reached its limit of unfinished order lines.",
            "Wait until some are finished.",
        ),
        ProblemCode.TOO_MANY_ORDERS: ProblemType(
            (409,),
            "Too many orders",
            "The table has reached its limit of unfinished orders.",
            "Wait until some are finished.",
        ),
        ProblemCode.TOO_MANY_REQUESTS: ProblemType(
            (409, 429),
            "Too many requests",
            "409: the table has reached its limit of unfinished requests. "
            "429, from the proxy: too many HTTP requests came from one address.",
            "409: wait until some are finished. 429: wait as long as Retry-After says.",
        ),
        ProblemCode.TOO_MANY_SESSIONS: ProblemType(
            (409,),
            "Too many sessions",
            "The waiter has reached the limit of open tables.",
            "Close some, then try again.",
        ),
        ProblemCode.TRANSFER_REFUSED: ProblemType(
            (409,),
            "Transfer was refused",
            "Nothing was transferred; `refused` names each session that cannot be, and why.",
            "Transfer the others without them.",
        ),
        ProblemCode.VERSION_CONFLICT: ProblemType(
            (409,),
            "Version conflict",
            "It has changed since the `expectedVersion`.",
            "Read it again, then decide.",
        ),
        ProblemCode.WAITER_OFF_SHIFT: ProblemType(
            (409,),
            "Waiter is off shift",
            "The waiter is off shift, so they can be given no table.",
            "Start their shift, or choose another waiter.",
        ),
        ProblemCode.BODY_TOO_LARGE: ProblemType(
            (413,), "Body is too large", "A body may have up to 64 KB.", "Send less."
        ),
        ProblemCode.UNSUPPORTED_MEDIA_TYPE: ProblemType(
            (415,),
            "Unsupported media type",
            "The Content-Type of the body is not JSON.",
            "Send `Content-Type: application/json`.",
        ),
        ProblemCode.INVALID_FIELDS: ProblemType(
            (422,),
            "Invalid fields",
            "Fields, parameters or headers have invalid values; `errors` names each.",
            "Correct them.",
        ),
        ProblemCode.TOO_MANY_CALLS: ProblemType(
            (429,),
            "Too many calls",
            "The caller made too many calls within a minute, or at once.",
            _LATER,
        ),
        ProblemCode.TOO_MANY_CHANGES: ProblemType(
            (429,),
            "Too many changes",
            "The guests of one table ordered, requested and cancelled too often within a minute.",
            _LATER,
        ),
        ProblemCode.TOO_MANY_OPENS: ProblemType(
            (429,),
            "Too many streams opened",
            "The bearer opened too many streams within a minute.",
            _LATER,
        ),
        ProblemCode.TOO_MANY_STREAMS: ProblemType(
            (429,),
            "Too many streams",
            "The bearer has reached its limit of open streams.",
            "Close one, then try again.",
        ),
        ProblemCode.TOO_MANY_VENUE_CALLS: ProblemType(
            (429,),
            "Too many calls in the venue",
            "All guests and staff of the venue together made too many calls within a minute.",
            _LATER,
        ),
        ProblemCode.TOO_MANY_VENUE_CHANGES: ProblemType(
            (429,),
            "Too many changes in the venue",
            "All guests and staff of the venue together changed too much within a minute.",
            _LATER,
        ),
        ProblemCode.VENUE_FULL: ProblemType(
            (429,),
            "The venue is full",
            "The venue has reached its share of the server's open streams.",
            _LATER,
        ),
        ProblemCode.HTTP_ERROR: ProblemType(
            (),
            "HTTP error",
            "The request was refused for a reason without a code of its own.",
            "Look at `status` and `detail`.",
        ),
        ProblemCode.INTERNAL_ERROR: ProblemType(
            (500,),
            "Internal error",
            "Something went wrong in the service. Its log has more, under the `requestId`.",
            "Report it with its `requestId`.",
        ),
        ProblemCode.NO_ANSWER: ProblemType(
            (502, 504, 503),
            "No answer",
            "The proxy got no answer from the service. It may still have carried the request out.",
            "Try again. Repeat a POST with the same Idempotency-Key.",
        ),
        ProblemCode.BROKER_UNUSABLE: ProblemType(
            (503,),
            "Redis cannot be used",
            "The service cannot use Redis with its current setup.",
            _OPERATOR,
        ),
        ProblemCode.DATABASE_UNAVAILABLE: ProblemType(
            (503,), "Database is not available", "The database cannot be used right now.", _LATER
        ),
        ProblemCode.HISTORY_UNAVAILABLE: ProblemType(
            (503,),
            "History is not available",
            "Redis does not answer, so a stream cannot know which events it missed.",
            _LATER,
        ),
        ProblemCode.NOT_READY: ProblemType(
            (503,),
            "Not ready",
            "This process is starting or stopping.",
            "Send requests to another instance.",
        ),
        ProblemCode.SERVER_BUSY: ProblemType(
            (503,), "Server is busy", "Too many clients are connecting at once.", _LATER
        ),
        ProblemCode.SERVER_DRAINING: ProblemType(
            (503,), "Server is stopping", "This process is about to stop.", _LATER
        ),
        ProblemCode.SERVER_FULL: ProblemType(
            (503,),
            "Server is full",
            "This process has reached its limit of streams or connections.",
            _LATER,
        ),
        ProblemCode.STANDING_BY: ProblemType(
            (503,),
            "Standing by",
            "Another process serves. This one waits to take over.",
            "Send requests to the other process.",
        ),
        ProblemCode.UNAVAILABLE: ProblemType(
            (503,), "Unavailable", "No instance behind the proxy accepts the stream.", _LATER
        ),
    }
)


def path_of(code: str) -> str:
    """Return the path of the page about ``code``, without the prefix of the service."""
    return f"/api/problems/{code}"


def document(
    code: ProblemCode, detail: str, *, status: int, below: str = "", **members: Any
) -> dict[str, Any]:
    """Return a problem document. ``below`` is the path prefix of the service, if it has one."""
    if (current := request_id.current()) is not None:
        members["requestId"] = current
    return {
        "type": f"{below}{path_of(code)}",
        "title": TYPES[code].title,
        "status": status,
        "code": code.value,
        "detail": detail,
        **members,
    }
