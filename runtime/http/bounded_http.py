"""Bounds on what one HTTP request may make a worker keep, and for how long.

gunicorn bounds a head by its fields, which makes half a megabyte, and a request's body
and the reading of an answer not at all.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from gunicorn.http import RequestParser
from gunicorn.http.message import Request
from werkzeug.exceptions import RequestTimeout

#: Bytes of a head. What nginx takes by its configuration (``large_client_header_buffers``).
MAX_HEAD_BYTES = 32 * 1024

# SO_LINGER: on, for zero seconds.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class BoundedRequest(Request):
    """A request whose head, and whose trailers, are not larger than ``MAX_HEAD_BYTES``."""

    def parse(self, unreader: Any) -> Any:
        """Parse the head; gunicorn answers 431 to one that is larger."""
        self.max_buffer_headers = MAX_HEAD_BYTES - self.limit_request_line
        return super().parse(unreader)


def bound_heads() -> None:
    """Have gunicorn read ``BoundedRequest`` in this process."""
    RequestParser.mesg_class = BoundedRequest


class TimedBody:
    """A request's body (``wsgi.input``) that must be there within ``seconds``.

    The time runs from the first read. ``on_timeout`` is called before the reader is
    told, with 408, and the connection cannot be used any further.
    """

    def __init__(self, body: Any, seconds: float, on_timeout: Callable[[], None]) -> None:
        self._body = body
        self._seconds = seconds
        self._on_timeout = on_timeout
        self._deadline: float | None = None

    def read(self, size: int | None = None) -> bytes:
        """Return up to ``size`` bytes, or all. Switches greenlets."""
        data: bytes = self._in_time(self._body.read, size)
        return data

    def readline(self, size: int | None = None) -> bytes:
        """Return a line. Switches greenlets."""
        line: bytes = self._in_time(self._body.readline, size)
        return line

    def readlines(self, size: int | None = None) -> list[bytes]:
        """Return all lines. Switches greenlets."""
        lines: list[bytes] = self._in_time(self._body.readlines, size)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _in_time(self, read: Callable[[int | None], Any], size: int | None) -> Any:
        now = gevent.get_hub().loop.now()
        if self._deadline is None:
            self._deadline = now + self._seconds
        timeout = gevent.Timeout(max(0.001, self._deadline - now))
        timeout.start()
        try:
            return read(size)
        except gevent.Timeout as passed:
            if passed is not timeout:
                raise
            # gunicorn's word for a connection whose next request cannot be found.
            self._body.failed = True
            self._on_timeout()
            raise RequestTimeout("The body of the request did not arrive in time.") from None
        finally:
            timeout.close()


def reset_on_close(sock: socket.socket) -> None:
    """Have the kernel forget what the client has not read, as soon as ``sock`` is closed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def defer_handshake(context: ssl.SSLContext) -> ssl.SSLContext:
    """Have the worker shake hands, which has a deadline and answers for failures."""
    wrap_socket = context.wrap_socket

    def wrap(sock: socket.socket, **options: Any) -> ssl.SSLSocket:
        return wrap_socket(sock, **{**options, "do_handshake_on_connect": False})

    context.wrap_socket = wrap  # type: ignore[method-assign,assignment]
    return context
