"""Errors as ``application/problem+json`` (RFC 9457), in one shape for all of HTTP.

Each has a ``code`` for programs and a ``type``, the address of a page about it. Both
come from ``notifications/entrance/problem_types.py``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from html import escape
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException

from notifications.entrance import request_id
from notifications.entrance.problem_types import TYPES, ProblemCode, document, path_of
from notifications.errors import (
    BrokerUnusable,
    NotAllowed,
    NotAuthenticated,
    SessionOver,
    StreamRefused,
    TooManyCalls,
    TooManyChanges,
    TooManyVenueCalls,
    TooManyVenueChanges,
)
from waiter_service.errors import DatabaseError

log = logging.getLogger(__name__)

# Seconds after which to try again: a database that restarts or fails over is away for
# seconds. A guess.
DATABASE_RETRY_SECONDS = 5

#: The codes of the errors that Flask and werkzeug raise.
_BY_STATUS: Mapping[int, ProblemCode] = MappingProxyType(
    {
        400: ProblemCode.BAD_REQUEST,
        404: ProblemCode.UNKNOWN_PATH,
        405: ProblemCode.METHOD_NOT_ALLOWED,
        408: ProblemCode.REQUEST_TIMEOUT,
        413: ProblemCode.BODY_TOO_LARGE,
        415: ProblemCode.UNSUPPORTED_MEDIA_TYPE,
        500: ProblemCode.INTERNAL_ERROR,
    }
)


def problem(
    code: ProblemCode,
    detail: str,
    *,
    status: int | None = None,
    retry_after_seconds: int | None = None,
    **members: Any,
) -> Response:
    """Return a problem document as a response; ``members`` are spelled as on the wire.

    ``status`` is the usual status of the code by default.
    """
    status = TYPES[code].statuses[0] if status is None else status
    response = Response(
        json.dumps(document(code, detail, status=status, below=request.script_root, **members)),
        status=status,
        content_type="application/problem+json",
    )
    response.headers["Cache-Control"] = "no-store"
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if retry_after_seconds is not None:
        response.headers["Retry-After"] = str(retry_after_seconds)
    return response


def _not_authenticated(error: NotAuthenticated) -> Response:
    return problem(ProblemCode.NOT_AUTHENTICATED, str(error))


def _not_allowed(error: NotAllowed) -> Response:
    return problem(ProblemCode.NOT_ALLOWED, str(error))


def _session_over(error: SessionOver) -> Response:
    # The code that the stream's `closing` event has, so that a client that missed it gets the same.
    return problem(ProblemCode.SESSION_CLOSED, str(error), status=403)


def _too_many_calls(error: TooManyCalls) -> Response:
    code = _CODES.get(type(error), ProblemCode.TOO_MANY_CALLS)
    return problem(code, str(error), retry_after_seconds=error.retry_after_seconds)


#: The codes of limits other than that of one bearer's calls.
_CODES: Mapping[type[TooManyCalls], ProblemCode] = MappingProxyType(
    {
        TooManyChanges: ProblemCode.TOO_MANY_CHANGES,
        TooManyVenueCalls: ProblemCode.TOO_MANY_VENUE_CALLS,
        TooManyVenueChanges: ProblemCode.TOO_MANY_VENUE_CHANGES,
    }
)


def _stream_refused(error: StreamRefused) -> Response:
    wait_seconds = error.retry_after_seconds
    answer = problem(ProblemCode(error.cause), str(error), retry_after_seconds=wait_seconds)
    if "X-Refusals" in request.headers:
        # nginx cannot read a body; these headers let it refuse inside a stream.
        answer.headers["X-Refusal-Code"] = error.cause
        answer.headers["X-Refusal-Reason"] = str(error)
    return answer


def _broker_unusable(error: BrokerUnusable) -> Response:
    return problem(ProblemCode.BROKER_UNUSABLE, str(error))


def _database_failed(error: DatabaseError) -> Response:
    # The log says why; the client has no use for it.
    log.error("the database cannot be used", extra={"fields": {"error": str(error)}})
    return problem(
        ProblemCode.DATABASE_UNAVAILABLE,
        "This is not possible at the moment.",
        retry_after_seconds=DATABASE_RETRY_SECONDS,
    )


#: The errors that both ``/sse`` and ``/api`` may raise.
HANDLERS: Mapping[type[Exception], Callable[[Any], Response]] = MappingProxyType(
    {
        NotAuthenticated: _not_authenticated,
        NotAllowed: _not_allowed,
        SessionOver: _session_over,
        TooManyCalls: _too_many_calls,
        StreamRefused: _stream_refused,
        BrokerUnusable: _broker_unusable,
        DatabaseError: _database_failed,
    }
)


def init_app(app: Flask) -> None:
    """Answer every error with a problem document, and serve the page of each problem.

    Covers the errors that any route may raise; a blueprint adds only its own.
    Every request gets an id, and every answer names it.
    """

    @app.before_request
    def _begin_request() -> None:
        request_id.begin(request.headers.get(request_id.HEADER))

    @app.after_request
    def _name_request(response: Response) -> Response:
        response.headers[request_id.HEADER] = request_id.current() or "-"
        return response

    @app.errorhandler(HTTPException)
    def _http_error(error: HTTPException) -> Response:
        status = error.code or 500
        if error.response is not None or status < 400:
            return error.get_response()  # type: ignore[return-value]
        code = _BY_STATUS.get(status, ProblemCode.HTTP_ERROR)
        answer = problem(code, error.description or HTTPStatus(status).phrase, status=status)
        for name, value in error.get_headers():
            if name not in ("Content-Type", "Content-Length"):
                answer.headers[name] = value
        return answer

    for error, handler in HANDLERS.items():
        app.register_error_handler(error, handler)

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        # The log has the traceback; the client has no use for it.
        log.error("request failed", exc_info=error)
        return problem(
            ProblemCode.INTERNAL_ERROR, "Something went wrong. The error has been logged."
        )

    # On the app, not on the API's blueprint: the pages must exist even where the API cannot start.
    @app.get(path_of("<code>"))
    def problem_page(code: str) -> Response:
        if code not in TYPES:
            abort(404)
        return Response(_page(ProblemCode(code)), content_type="text/html; charset=utf-8")


def _page(code: ProblemCode) -> str:
    kind = TYPES[code]
    statuses = ", ".join(f"{each} {HTTPStatus(each).phrase}" for each in kind.statuses)
    title, meaning, remedy = escape(kind.title), escape(kind.meaning), escape(kind.remedy)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<h1>{title}</h1>\n"
        f"<p>Code <code>{code.value}</code>, status {statuses or 'of any number'}.</p>\n"
        f"<p>{meaning}</p>\n<p>{remedy}</p>\n"
    )
