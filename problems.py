"""Errors as ``application/problem+json`` (RFC 9457), in one shape for all of HTTP."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from notifications import request_id

log = logging.getLogger(__name__)


def problem(
    status: int, detail: str, *, retry_after_seconds: int | None = None, **members: Any
) -> Response:
    """Return a problem document; ``members`` are further fields, spelled as on the wire."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if (current := request_id.current()) is not None:
        members["requestId"] = current
    response = Response(
        json.dumps({**document, "detail": detail, **members}),
        status=status,
        content_type="application/problem+json",
    )
    response.headers["Cache-Control"] = "no-store"
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if retry_after_seconds is not None:
        response.headers["Retry-After"] = str(retry_after_seconds)
    return response


def init_app(app: Flask) -> None:
    """Answer with problem documents whatever no blueprint answers for itself.

    Every request gets its id, and every answer names it.
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
        answer = problem(status, error.description or HTTPStatus(status).phrase)
        for name, value in error.get_headers():
            if name not in ("Content-Type", "Content-Length"):
                answer.headers[name] = value
        return answer

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        # The log has the traceback; the client has no use for it.
        log.error("request failed", exc_info=error)
        return problem(500, "Something went wrong. The error has been logged.")
