"""The short way to a stream: at the connection, before gunicorn makes a request of it.

Of what a client costs that connects, most was the making of a request, of a WSGI
environment and of Flask's way around them, and after an outage clients that connect
are all there is. So each new connection is asked for here first. One that
begins with a plain request for a stream is answered on its socket and handed over,
or refused in-band. All that is out of the ordinary, and every refusal by a status,
goes the long way, through gunicorn and the blueprint, which can answer anything.

``docs/decisions/0006-a-short-way-to-a-stream.md`` has the figures.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing, suppress
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import gunicorn_h1c  # type: ignore[import-untyped]

from notifications.access.auth import bearer_token
from notifications.entrance import request_id
from notifications.entrance.entrance import (
    STREAM_HEADERS,
    STREAM_KINDS,
    StreamEntrance,
    StreamRequest,
)
from notifications.entrance.in_band import refusal_block
from notifications.errors import AccessError, StreamRefused
from notifications.events.encoding import Frame
from notifications.streams.body import Handover
from notifications.streams.socket_outlet import LAST_CHUNK, prepare_socket

#: How a connection begins that is looked at more closely.
_BEGINNING = b"GET /sse/"

#: Nothing percent-encoded, nothing that needs normalising. In the query whatever a
#: target may hold (RFC 3986, section 2: printable ASCII), but no fragment.
_TARGET = re.compile(
    rf"/sse/({'|'.join(STREAM_KINDS)})/([A-Za-z0-9._-]+)(?:\?([\x21-\x22\x24-\x7e]*))?".encode(
        "ascii"
    )
)

#: What only Flask knows how to answer: another origin, a body, a change of protocol. And
#: what may contradict X-Forwarded-Proto, which gunicorn looks into.
_LONG_WAY_HEADERS = frozenset(
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

#: gunicorn's limits on a request, as gunicorn.conf.py has them.
_LIMITS = {
    "limit_request_line": 4094,
    "limit_request_fields": 64,
    "limit_request_field_size": 8190,
}

#: Bytes of a request's head; a longer one is left to gunicorn, and to its limits.
_MAX_HEAD_BYTES = 4000

#: Parameters in a query; ours has two.
_MAX_PARAMETERS = 10

ClientOf = Callable[[str | None, str | None], str]
"""From the peer's address and ``X-Forwarded-For`` to the client's address."""


class StreamDoor:
    """Answers plain requests for streams by itself."""

    def __init__(self, entrance: StreamEntrance) -> None:
        self._entrance = entrance

    def answer(self, sock: socket.socket, address: Any) -> bool:
        """Serve the new connection ``sock`` if it asks for a stream and nothing stands in the way.

        Return whether that settles it: if not, gunicorn is to read what is there,
        all of it. Switches greenlets, and waits for the client's first bytes as long
        as the socket's timeout says.
        """
        if isinstance(sock, ssl.SSLSocket):
            return False
        try:
            head = sock.recv(_MAX_HEAD_BYTES, socket.MSG_PEEK)
        except OSError:
            return True  # it is silent, or gone
        asked = _stream_request(head, address, self._entrance.client_of)
        if asked is None:
            return False
        request_id.begin(asked.request_id)
        try:
            body = self._entrance.open(asked, Handover(sock, is_chunked=True))
        except AccessError:
            return False
        except StreamRefused as refusal:
            if not self._entrance.refuses_in_band(asked):
                return False
            self._entrance.note_refusal(asked, refusal)
            self._refuse(sock, len(head), refusal)
            return True
        # A client that is gone or does not read has been noted by the body.
        with closing(body), suppress(OSError):
            sock.recv(len(head))
            prepare_socket(sock, write_timeout_seconds=self._entrance.write_deadline_seconds)
            start = _head()
            for block in body:
                sock.sendall(start + Frame(block).chunk)
                start = b""
            if not body.is_handed_over:
                # It was closed before it was live, and its client has been told.
                sock.sendall(LAST_CHUNK)
        return True

    def refuse(self, sock: socket.socket, address: Any, refusal: StreamRefused) -> bool:
        """Refuse in-band if ``sock`` has asked for a stream that way; return whether it has.

        Waits for nothing that has not come yet. Not for TLS.
        """
        try:
            sock.settimeout(0)
            head = sock.recv(_MAX_HEAD_BYTES, socket.MSG_PEEK)
        except OSError:
            return False
        asked = _stream_request(head, address, self._entrance.client_of)
        if asked is None or not self._entrance.refuses_in_band(asked):
            return False
        request_id.begin(asked.request_id)
        self._entrance.note_refusal(asked, refusal)
        self._refuse(sock, len(head), refusal)
        return True

    def _refuse(self, sock: socket.socket, head_bytes: int, refusal: StreamRefused) -> None:
        with suppress(OSError):  # the client is gone
            sock.recv(head_bytes)
            prepare_socket(sock, write_timeout_seconds=self._entrance.write_deadline_seconds)
            chunk = Frame(refusal_block(refusal)).chunk
            sock.sendall(_head() + chunk + LAST_CHUNK)


def _stream_request(head: bytes, address: Any, client_of: ClientOf) -> StreamRequest | None:
    """Return what is asked for, or None if that is no stream or takes the long way."""
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
    if len(headers) != len(request["headers"]) or not _LONG_WAY_HEADERS.isdisjoint(headers):
        return None
    # A proxy may set SCRIPT_NAME in a header, and name the path it has in front of ours.
    if any(b"_" in name for name in headers):
        return None
    if headers.get(b"X-FORWARDED-PREFIX", b"").startswith(b"/sse"):
        return None
    query: dict[str, str] = {}
    if target[3]:
        try:
            # As Flask does it: the first of a name counts, even one without a value.
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


def _head() -> bytes:
    """Return the response's head."""
    ending = f"{request_id.HEADER}: {request_id.current()}\r\n\r\n"
    return _beginning_of_head(int(time.time())) + ending.encode("ascii")


@lru_cache(maxsize=1)
def _beginning_of_head(now_seconds: int) -> bytes:
    """Return what many clients share within one second."""
    lines = [
        "HTTP/1.1 200 OK",
        "Server: gunicorn",
        f"Date: {formatdate(now_seconds, usegmt=True)}",
        # It carries nothing else once the stream has ended.
        "Connection: close",
        "Transfer-Encoding: chunked",
        *(f"{name}: {value}" for name, value in STREAM_HEADERS.items()),
    ]
    return "\r\n".join([*lines, ""]).encode("ascii")
