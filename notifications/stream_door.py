"""The short way to a stream: in gunicorn's hook, before there is a WSGI request.

Of what a client costs that connects, a third was the making of a WSGI request
and response and Flask's way around them, and after an outage clients that connect
are all there is. So gunicorn's ``pre_request`` asks here first. A
plain request for a stream is answered on its socket and handed over; all that
is out of the ordinary, and every refusal, goes the long way, through the
blueprint, which can answer anything.

``docs/decisions/0006-a-short-way-to-a-stream.md`` has the figures.
"""

from __future__ import annotations

import re
import ssl
import time
from contextlib import closing, suppress
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import parse_qsl

from notifications.errors import AccessError, StreamRefused
from notifications.events import Frame
from notifications.socket_outlet import LAST_CHUNK, HandedOver, prepare_socket
from notifications.stream_body import Handover
from notifications.stream_entrance import (
    STREAM_HEADERS,
    StreamEntrance,
    StreamRequest,
    client_address,
)

#: Nothing percent-encoded, nothing that needs normalising.
_PATH = re.compile(r"/sse/(session|waiter)/([A-Za-z0-9._-]+)")

#: What only Flask knows how to answer: another origin, a body, a change of protocol.
_LONG_WAY_HEADERS = frozenset(
    {"ORIGIN", "CONTENT-LENGTH", "TRANSFER-ENCODING", "UPGRADE", "EXPECT"}
)

#: Parameters in a query; ours has two.
_MAX_PARAMETERS = 10


class ParsedRequest(Protocol):
    """What we need of gunicorn's request, whose headers' names are in capitals."""

    method: str
    path: str
    query: str
    version: tuple[int, int]
    headers: list[tuple[str, str]]
    peer_addr: Any
    unreader: Any


class StreamDoor:
    """Answers plain requests for streams by itself."""

    def __init__(self, entrance: StreamEntrance) -> None:
        self._entrance = entrance

    def answer(self, request: ParsedRequest) -> None:
        """Serve ``request`` if it is for a stream and nothing stands in the way.

        Switches greenlets. Returns where Flask is to answer.

        Raises:
            HandedOver: it was answered; the connection is no longer the server's.
        """
        asked = _stream_request(request)
        sock = getattr(request.unreader, "sock", None)
        if asked is None or sock is None or isinstance(sock, ssl.SSLSocket):
            return
        try:
            body = self._entrance.open(asked, Handover(sock, is_chunked=True))
        except (AccessError, StreamRefused):
            return
        head = _head(int(time.time()))
        # A client that is gone or does not read has been noted by the body.
        with closing(body), suppress(OSError):
            prepare_socket(sock, write_timeout_seconds=self._entrance.write_deadline_seconds)
            for block in body:
                sock.sendall(head + Frame(block).chunk)
                head = b""
            # It was closed before it was live, and has said so.
            sock.sendall(LAST_CHUNK)
        raise HandedOver


def _stream_request(request: ParsedRequest) -> StreamRequest | None:
    """Return what is asked for, or None if that is no stream or takes the long way."""
    path = _PATH.fullmatch(request.path)
    if path is None or request.method != "GET" or request.version != (1, 1):
        return None
    headers = dict(request.headers)
    if len(headers) != len(request.headers) or not _LONG_WAY_HEADERS.isdisjoint(headers):
        return None
    query: dict[str, str] = {}
    if request.query:
        try:
            # The first of a name counts, as it does for Flask.
            query = dict(reversed(parse_qsl(request.query, max_num_fields=_MAX_PARAMETERS)))
        except ValueError:
            return None
    authorization, bare_token = headers.get("AUTHORIZATION"), query.get("token")
    if authorization is None and bare_token is None:
        return None  # none at all, or in a cookie
    peer = request.peer_addr
    return StreamRequest(
        path[1],
        path[2],
        authorization,
        bare_token,
        headers.get("LAST-EVENT-ID") or query.get("lastEventId"),
        client_address(
            peer[0] if isinstance(peer, tuple) else None, headers.get("X-FORWARDED-FOR")
        ),
    )


@lru_cache(maxsize=1)
def _head(now_seconds: int) -> bytes:
    """Return the response's head; many clients share one second."""
    lines = [
        "HTTP/1.1 200 OK",
        "Server: gunicorn",
        f"Date: {formatdate(now_seconds, usegmt=True)}",
        # It carries nothing else once the stream has ended.
        "Connection: close",
        "Transfer-Encoding: chunked",
        *(f"{name}: {value}" for name, value in STREAM_HEADERS.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")
