"""The routes below ``/sse``: streams, tokens for browsers, and health.

A stream is a response whose body is a generator, under any WSGI server. Under gunicorn
the stream takes over the connection once it is live (``HandoverResponse``).
"""

from __future__ import annotations

import errno
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest

from notifications.access.auth import bearer_token
from notifications.channels import KINDS, id_name
from notifications.entrance.entrance import (
    STREAM_HEADERS,
    StreamEntrance,
    StreamRequest,
)
from notifications.entrance.in_band_refusal import refusal_block
from notifications.errors import AccessError, NotAuthenticated, StreamRefused
from notifications.events.payload import format_timestamp
from notifications.streams.body import Handover, StreamBody
from notifications.streams.socket_outlet import prepare_socket

#: The cookie that carries a stream token for a browser's own EventSource.
COOKIE = "sse_token"

#: The name of that cookie over https. Browsers accept a name with this prefix over https only,
#: so an attacker on the network cannot replace the cookie.
SECURE_COOKIE = f"__Secure-{COOKIE}"

Health = Callable[[], dict[str, Any]]


def create_blueprint(entrance: StreamEntrance, health: Health) -> Blueprint:
    """Return the blueprint of ``entrance``. ``health`` returns the answer of /sse/health."""
    blueprint = Blueprint("sse", __name__, url_prefix="/sse", static_folder="../static")

    def stream(kind: str, channel_id: str) -> Response:
        asked = _stream_request(entrance, kind, channel_id)
        try:
            return open_stream(asked)
        except AccessError as refusal:
            entrance.note_refusal(asked, refusal)
            if isinstance(refusal, NotAuthenticated):
                entrance.note_failure(asked.client)
            raise
        except StreamRefused as refusal:
            entrance.note_refusal(asked, refusal)
            if not entrance.refuses_in_band(asked):
                raise
            # An iterator: with a list, Flask would compute a Content-Length, and a stream has none.
            return Response(iter([refusal_block(refusal)]), headers=STREAM_HEADERS)

    def open_stream(asked: StreamRequest) -> Response:
        if request.method == "HEAD":
            entrance.admit(asked)
            return Response(headers=STREAM_HEADERS)
        handover = handover_of(request.environ)
        body = entrance.open(asked, handover)
        if (sock := own_socket(request.environ)) is not None:
            try:
                # Only after the stream was admitted: a refusal keeps its connection open for
                # the next request.
                prepare_socket(sock, write_timeout_seconds=entrance.write_deadline_seconds)
            except OSError:
                body.close()
                raise
        # Everything the stream needs is in its body, so no request context is
        # kept alive for the hours that the stream lasts.
        blocks = body if handover is None else HandoverResponse(body, handover.sock)
        return Response(blocks, headers=STREAM_HEADERS, direct_passthrough=True)

    def stream_of(kind: str) -> Callable[..., Response]:
        return lambda **ids: stream(kind, *ids.values())

    for kind in KINDS:
        blueprint.add_url_rule(f"/{kind}/<path:{id_name(kind)}>", kind, stream_of(kind))

    @blueprint.post("/token")
    def token() -> Response:
        forwarded_for = request.headers.get("X-Forwarded-For")
        address = entrance.client_of(request.remote_addr, forwarded_for)
        bearer = bearer_token(request.headers.get("Authorization"))
        principal = entrance.full_bearer(bearer, address)
        made = entrance.exchange(principal, _wanted_stream())
        lifetime_seconds = max(0, int((made.ends_at - datetime.now(UTC)).total_seconds()))
        response = jsonify(
            token=made.token,
            expiresAt=format_timestamp(made.ends_at),
            expiresIn=lifetime_seconds,
        )
        response.set_cookie(
            _cookie_name(),
            made.token,
            # One cookie per stream, since two streams in one browser may have two bearers.
            path=request.script_root + made.path,
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

    return blueprint


def _stream_request(entrance: StreamEntrance, kind: str, channel_id: str) -> StreamRequest:
    headers, query = request.headers, request.args
    return StreamRequest(
        kind,
        channel_id,
        bearer_token(headers.get("Authorization")),
        query.get("token") or request.cookies.get(_cookie_name()),
        headers.get("Last-Event-ID") or query.get("lastEventId"),
        entrance.client_of(request.remote_addr, headers.get("X-Forwarded-For")),
        request.remote_addr,
        headers.get("Accept"),
        headers.get("X-Refusals"),
    )


def _cookie_name() -> str:
    return SECURE_COOKIE if request.is_secure else COOKIE


def _wanted_stream() -> str | None:
    """Return the path that the body names as ``stream``, without the prefix of the service."""
    if not (raw := request.get_data()):
        return None
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("stream"), str | None):
        raise BadRequest('The body must be a JSON object such as {"stream": "/sse/waiter/anna"}.')
    # If the service is below a path of its host, a page names the stream with that path.
    stream: str | None = body.get("stream")
    return None if stream is None else stream.removeprefix(request.script_root)


class HandedOver(BrokenPipeError):
    """Tells gunicorn to write nothing more, because the stream has its connection or it is lost.

    gunicorn's async workers read EPIPE as "the client is gone". They log it at debug level
    and close their socket, which has no descriptor any more after a handover.
    """

    def __init__(self) -> None:
        super().__init__(errno.EPIPE, "stream handed over to the event loop")


class HandoverResponse:
    """The body that gunicorn iterates over. The stream may take the socket from it."""

    def __init__(self, body: StreamBody, sock: socket.socket) -> None:
        self._body = body
        self._sock = sock

    def __iter__(self) -> Iterator[bytes]:
        try:
            # gunicorn sends head and greeting in two writes; this joins them into one packet.
            _set_cork(self._sock, True)
            yield next(self._body)
            _set_cork(self._sock, False)
            yield from self._body
        except OSError:
            raise HandedOver from None
        if self._body.is_handed_over:
            raise HandedOver

    def close(self) -> None:
        """End the stream, unless it was handed over."""
        self._body.close()


def own_socket(environ: Mapping[str, Any]) -> socket.socket | None:
    """Return the socket that carries only this request, or None.

    It must be gunicorn's, and carry HTTP/1: with HTTP/2 many requests share a socket.
    """
    sock: socket.socket | None = environ.get("gunicorn.socket")
    is_http1 = environ.get("SERVER_PROTOCOL") in ("HTTP/1.1", "HTTP/1.0")
    return sock if is_http1 else None


def handover_of(environ: Mapping[str, Any]) -> Handover | None:
    """Return the socket of a request that can be handed over, or None.

    It must carry only this request. It must not be TLS, because TLS lives in the server's
    socket object.
    """
    sock = own_socket(environ)
    if sock is None or isinstance(sock, ssl.SSLSocket):
        return None
    # HTTP/1.0 has no chunks: there, the end of the connection ends the body.
    return Handover(sock, is_chunked=environ["SERVER_PROTOCOL"] == "HTTP/1.1")


def _set_cork(sock: socket.socket, is_corked: bool) -> None:
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, is_corked)
