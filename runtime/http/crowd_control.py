"""What a worker answers to connections beyond those it may serve: come back later.

A full pool accepts no connection, not even a health check. So its last places serve
health checks alone; any other connection gets 503 there and is closed at once.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from notifications.entrance import request_id
from notifications.entrance.problem_types import ProblemCode, document
from notifications.errors import ServerFull

if TYPE_CHECKING:
    from notifications.entrance.entrance import StreamEntrance

#: Places of the pool for health checks alone, and for those that are turned away.
RESERVED_CONNECTIONS = 100

#: Seconds that such a connection has to send its first bytes. A health check sends them
#: at once; a hundred silent connections must not hold these places for long.
FIRST_BYTES_SECONDS = 0.25

#: Seconds after which another try is worth it. A guess.
RETRY_AFTER_SECONDS = 2

#: Enough to see the request line; what came is read, so that closing does not reset.
_PEEK_BYTES = 64 * 1024

_HEALTH = re.compile(rb"GET (/health/(live|ready)|/sse/health|/metrics)[ ?]")


def is_health_check(sock: socket.socket) -> bool:
    """Tell whether the new connection ``sock`` asks how this process is. Switches greenlets."""
    if isinstance(sock, ssl.SSLSocket):
        return False
    sock.settimeout(FIRST_BYTES_SECONDS)
    try:
        return _HEALTH.match(sock.recv(200, socket.MSG_PEEK)) is not None
    except OSError:
        return False


def turn_away(sock: socket.socket, address: Any, entrance: StreamEntrance) -> None:
    """Answer 503, or in-band where a stream is asked for. The caller closes ``sock``.

    Waits for nothing that has not come yet.
    """
    refusal = ServerFull(
        "This server has too many connections. Try again in a moment.",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )
    if isinstance(sock, ssl.SSLSocket) or _refuse_in_band(sock, address, entrance, refusal):
        return
    named = request_id.begin(None)
    body = json.dumps(document(ProblemCode.SERVER_FULL, str(refusal), status=503))
    head = [
        "HTTP/1.1 503 Service Unavailable",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        f"Retry-After: {RETRY_AFTER_SECONDS}",
        f"{request_id.HEADER}: {named}",
        "Connection: close",
    ]
    with suppress(OSError):
        with suppress(BlockingIOError):
            sock.recv(_PEEK_BYTES)
        sock.sendall("\r\n".join([*head, "", body]).encode("ascii"))
        sock.shutdown(socket.SHUT_WR)


def _refuse_in_band(
    sock: socket.socket, address: Any, entrance: StreamEntrance, refusal: ServerFull
) -> bool:
    # Not above: gunicorn's master imports this module, and must not load a driver.
    from notifications.entrance.plain_request import PlainRequest

    try:
        sock.settimeout(0)
        request = PlainRequest.peek(sock, address, entrance)
    except OSError:
        return False
    if request is None:
        return False
    request_id.begin(request.asked.request_id)
    return request.refuse(sock, refusal)
