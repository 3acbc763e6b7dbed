"""``/sse``: streams, tokens for browsers, and health. Only translates HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request

from notifications.auth import Authenticator, create_stream_token
from notifications.errors import (
    AccessError,
    NotAllowed,
    NotAuthenticated,
    SessionOver,
    StreamRefused,
    TooManyStreams,
)
from notifications.events import format_timestamp
from notifications.principal import Principal, Role
from notifications.socket_outlet import (
    handover_socket,
    hold_greeting,
    own_socket,
    prepare_socket,
)
from notifications.sse_service import SseService
from notifications.stream_body import Handover
from problems import problem

#: The cookie that carries a stream token for a browser's own EventSource.
COOKIE = "sse_token"

_STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # no-transform: a proxy that compresses would hold events back.
    "Cache-Control": "no-store, no-transform",
    # nginx must not collect the events, whatever its configuration says.
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Health = Callable[[], dict[str, Any]]
IsOver = Callable[[str, str], bool]


def create_blueprint(
    sse: SseService,
    authenticator: Authenticator,
    health: Health,
    *,
    is_over: IsOver = lambda kind, channel_id: False,
) -> Blueprint:
    """Return the blueprint for streams of ``sse``.

    ``health`` makes /sse/health's answer; ``is_over(kind, id)`` tells whether a
    session was closed, whose streams are then refused.
    """
    blueprint = Blueprint("sse", __name__, url_prefix="/sse", static_folder="static")

    def stream(kind: str, channel_id: str) -> Response:
        try:
            return open_stream(kind, channel_id)
        except (AccessError, StreamRefused) as refusal:
            sse.stats.refused[refusal.cause] += 1
            raise

    def open_stream(kind: str, channel_id: str) -> Response:
        principal = _bearer(authenticator)
        if not (_ID.fullmatch(channel_id) and principal.may_hear(kind, channel_id)):
            raise NotAllowed
        require_going_on(kind, channel_id)
        if request.method == "HEAD":
            return Response(headers=_STREAM_HEADERS)
        body = sse.open(
            kind,
            channel_id,
            principal,
            client=request.remote_addr or "-",
            last_event_id=request.headers.get("Last-Event-ID") or request.args.get("lastEventId"),
            handover=_handover(),
        )
        try:
            # Only now: the connection of a refused stream may carry others.
            _prepare_connection(sse.options.write_deadline_seconds)
        except OSError:
            body.close()
            raise
        # Everything the stream needs is in its body: no request context is
        # kept alive for the hours it lasts.
        return Response(body, headers=_STREAM_HEADERS, direct_passthrough=True)

    def require_going_on(kind: str, channel_id: str) -> None:
        if is_over(kind, channel_id):
            raise SessionOver

    @blueprint.get("/session/<path:session_id>")
    def session_stream(session_id: str) -> Response:
        return stream("session", session_id)

    @blueprint.get("/waiter/<path:waiter_id>")
    def waiter_stream(waiter_id: str) -> Response:
        return stream("waiter", waiter_id)

    @blueprint.post("/token")
    def token() -> Response:
        principal = authenticator.authenticate(_bearer_header())
        if principal.is_stream_token:
            raise NotAllowed("A stream token cannot be exchanged for another.")
        if principal.role is Role.CUSTOMER:
            require_going_on("session", principal.subject)
        stream_token, ends_at = create_stream_token(principal)
        lifetime_seconds = max(0, int((ends_at - datetime.now(UTC)).total_seconds()))
        response = jsonify(
            token=stream_token,
            expiresAt=format_timestamp(ends_at),
            expiresIn=lifetime_seconds,
        )
        response.set_cookie(
            COOKIE,
            stream_token,
            path="/sse",
            max_age=lifetime_seconds,
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.get("/health")
    def health_report() -> tuple[Response, int]:
        report = health()
        response = jsonify(report)
        response.headers["Cache-Control"] = "no-store"
        return response, 200 if report["status"] == "healthy" else 503

    @blueprint.errorhandler(NotAuthenticated)
    def _not_authenticated(error: NotAuthenticated) -> Response:
        return problem(401, str(error))

    @blueprint.errorhandler(NotAllowed)
    def _not_allowed(error: NotAllowed) -> Response:
        return problem(403, str(error))

    @blueprint.errorhandler(SessionOver)
    def _session_over(error: SessionOver) -> Response:
        # The code of a stream's `closing`: a client that was away learns the same.
        return problem(403, str(error), code=error.cause)

    @blueprint.errorhandler(StreamRefused)
    def _refused(error: StreamRefused) -> Response:
        status = 429 if isinstance(error, TooManyStreams) else 503
        return problem(status, str(error), retry_after_seconds=error.retry_after_seconds)

    return blueprint


def _bearer(authenticator: Authenticator) -> Principal:
    """Return who asks for a stream: by header, by ``?token=``, or by cookie."""
    if "Authorization" in request.headers:
        return authenticator.authenticate(_bearer_header())
    token = request.args.get("token") or request.cookies.get(COOKIE)
    if not token:
        raise NotAuthenticated("A token is required.")
    principal = authenticator.authenticate(token)
    if not principal.is_stream_token:
        # Query strings end up in logs and histories: what stands there must
        # be short-lived and good for nothing else.
        raise NotAuthenticated(
            "Only a stream token may be sent this way; POST /sse/token makes one."
        )
    return principal


def _bearer_header() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("A token is required: Authorization: Bearer <token>.")
    return token.strip()


def _handover() -> Handover | None:
    sock = handover_socket(request.environ)
    if sock is None:
        return None
    # HTTP/1.0 knows no chunks: there, the end of the connection is the end.
    return Handover(sock, is_chunked=request.environ["SERVER_PROTOCOL"] == "HTTP/1.1")


def _prepare_connection(write_timeout_seconds: float) -> None:
    if (sock := own_socket(request.environ)) is not None:
        prepare_socket(sock, write_timeout_seconds=write_timeout_seconds)
    if (sock := handover_socket(request.environ)) is not None:
        hold_greeting(sock)
