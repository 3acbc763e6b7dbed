"""The id of the HTTP request that a greenlet works for.

It connects a client's complaint with our log lines and the proxy's: the answer has it
as a header, and the problem document and the log lines have it as ``requestId``.
"""

from __future__ import annotations

import random
import re
from contextvars import ContextVar

HEADER = "X-Request-ID"

#: The characters that proxies and clients use: UUIDs, hexadecimal numbers, base64. None of
#: them has a meaning in a log line or a header. The length is bounded so that it fits a line.
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,63}")

_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def begin(named: str | None) -> str:
    """Set and return this request's id: ``named``, the client's header, if valid, else a new one.

    Each greenlet has its own id. A greenlet that serves several requests calls this for each.
    """
    if named is None or _SANE.fullmatch(named) is None:
        # The id is no secret, and this needs no system call.
        named = f"{random.getrandbits(64):016x}"
    _current.set(named)
    return named


def current() -> str | None:
    """Return the id of the request that this greenlet works for, or None."""
    return _current.get()
