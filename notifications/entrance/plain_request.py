"""A plain request for a stream, recognised on its connection before gunicorn reads it.

It can be answered right there. Every other request stays unread, for gunicorn and the
blueprint, which can answer anything.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Self
from urllib.parse import parse_qsl

import gunicorn_h1c  # type: ignore[import-untyped]

from notifications.access.auth import bearer_token
from notifications.entrance import request_id
from notifications.entrance.entrance import (
    STREAM_HEADERS,
    STREAM_PATH,
    StreamEntrance,
    StreamRequest,
)
from notifications.entrance.in_band_refusal import refusal_block
from notifications.errors import StreamRefused
from notifications.events.encoding import Frame
from notifications.streams.socket_outlet import LAST_CHUNK, prepare_socket

#: A connection that does not begin like this is left to gunicorn at once.
_BEGINNING = b"GET /sse/"

#: Nothing percent-encoded, and nothing to normalise. The query may hold what a request target
#: may (RFC 3986, section 2: printable ASCII), but no fragment.
_TARGET = re.compile(rf"{STREAM_PATH}(?:\?([\x21-\x22\x24-\x7e]*))?".encode("ascii"))

#: Headers that only Flask can answer: another origin, a body, a change of protocol. Also
#: those that may contradict X-Forwarded-Proto, which gunicorn checks.
_HEADERS_FOR_FLASK = frozenset(
    {
        b"ORIGIN",
        b"CONTENT-LENGTH",
        b"TRANSFER-ENCODING",
        b"UPGRADE",
        b"EXPECT",
        b"X-FORWARDED-SSL",
        b"X-FORWARDED-PROTOCOL",
    }
)

#: gunicorn's limits on a request, as set in gunicorn.conf.py.
_LIMITS = {
    "limit_request_line": 4094,
    "limit_request_fields": 64,
    "limit_request_field_size": 8190,
}

#: Bytes of a request's head. A longer head is left to gunicorn and its limits.
_MAX_HEAD_BYTES = 4000

#: Parameters in a query; our clients send at most two.
_MAX_PARAMETERS = 10

ClientOf = Callable[[str | None, str | None], str]
"""Returns the client's address, given the peer's and the ``X-Forwarded-For`` header."""


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A plain request for a stream, still unread on its connection."""

    asked: StreamRequest
    _head_bytes: int
    _entrance: StreamEntrance

    @classmethod
    def peek(cls, sock: socket.socket, address: Any, entrance: StreamEntrance) -> Self | None:
        """Return the request that ``sock`` begins with, or None if it is not a plain one.

        Waits for the client's first bytes as long as the socket's timeout says.

        Raises:
            OSError: nothing came, or the client is gone.
        """
        head = sock.recv(_MAX_HEAD_BYTES, socket.MSG_PEEK)
        asked = _stream_request(head, address, entrance.client_of)
        return None if asked is None else cls(asked, len(head), entrance)

    def take(self, sock: socket.socket) -> None:
        """Read the request from ``sock``. The caller must then answer it."""
        sock.recv(self._head_bytes)
        prepare_socket(sock, write_timeout_seconds=self._entrance.write_deadline_seconds)

    def refuse(self, sock: socket.socket, refusal: StreamRefused) -> bool:
        """Refuse inside a stream. Return False if this client is not refused that way."""
        if not self._entrance.refuses_in_band(self.asked):
            return False
        self._entrance.note_refusal(self.asked, refusal)
        with suppress(OSError):  # the client is gone
            self.take(sock)
            chunk = Frame(refusal_block(refusal)).chunk
            sock.sendall(response_head() + chunk + LAST_CHUNK)
        return True


def response_head() -> bytes:
    """Return the head of the answer to this greenlet's request."""
    ending = f"{request_id.HEADER}: {request_id.current()}\r\n\r\n"
    return _beginning_of_head(int(time.time())) + ending.encode("ascii")


@lru_cache(maxsize=1)
def _beginning_of_head(now_seconds: int) -> bytes:
    """Return the part of the head that many clients share within one second."""
    lines = [
        "HTTP/1.1 200 OK",
        "Server: gunicorn",
        f"Date: {formatdate(now_seconds, usegmt=True)}",
        # The connection carries no other request after the stream.
        "Connection: close",
        "Transfer-Encoding: chunked",
        *(f"{name}: {value}" for name, value in STREAM_HEADERS.items()),
    ]
    return "\r\n".join([*lines, ""]).encode("ascii")


def _stream_request(head: bytes, address: Any, client_of: ClientOf) -> StreamRequest | None:
    """Return the plain request for a stream that ``head`` holds, or None."""
    if not head.startswith(_BEGINNING):
        return None
    try:
        request = gunicorn_h1c.parse_request(head, **_LIMITS)
    except (gunicorn_h1c.ParseError, gunicorn_h1c.IncompleteError):
        return None
    target = _TARGET.fullmatch(request["path"])
    if target is None or request["minor_version"] != 1 or request["consumed"] != len(head):
        return None
    headers = {name.upper(): value for name, value in request["headers"]}
    if len(headers) != len(request["headers"]) or not _HEADERS_FOR_FLASK.isdisjoint(headers):
        return None
    # A proxy may set SCRIPT_NAME in a header, to name the path at which it has the service.
    if any(b"_" in name for name in headers):
        return None
    if headers.get(b"X-FORWARDED-PREFIX", b"").startswith(b"/sse"):
        return None
    query: dict[str, str] = {}
    if target[3]:
        try:
            # As in Flask, the first parameter of a name counts, even one without a value.
            pairs = parse_qsl(
                target[3].decode("ascii"),
                keep_blank_values=True,
                errors="werkzeug.url_quote",
                max_num_fields=_MAX_PARAMETERS,
            )
            query = dict(reversed(pairs))
        except ValueError:
            return None
    bearer = bearer_token(_text(headers.get(b"AUTHORIZATION")))
    bare_token = query.get("token")
    if bearer is None and not bare_token:
        return None  # none at all, or in a cookie
    peer = address[0] if isinstance(address, tuple) else None
    return StreamRequest(
        target[1].decode("ascii"),
        target[2].decode("ascii"),
        bearer,
        bare_token,
        _text(headers.get(b"LAST-EVENT-ID")) or query.get("lastEventId"),
        client_of(peer, _text(headers.get(b"X-FORWARDED-FOR"))),
        peer,
        _text(headers.get(b"ACCEPT")),
        _text(headers.get(b"X-REFUSALS")),
        _text(headers.get(b"X-REQUEST-ID")),
    )


def _text(value: bytes | None) -> str | None:
    # As WSGI has it.
    return None if value is None else value.decode("latin-1")
