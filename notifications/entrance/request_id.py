"""The id of the HTTP request that a greenlet works for.

It connects a client's complaint with our log lines and the proxy's: the answer has it
as a header, a problem document and the log lines as ``requestId``.
"""

from __future__ import annotations

import random
import re
from contextvars import ContextVar

HEADER = "X-Request-ID"

#: What proxies and clients use: UUIDs, hexadecimal numbers, base64. Nothing that has a
#: meaning in a log line or a header, and not too long for a line.
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,63}")

_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def begin(named: str | None) -> str:
    """Return this request's id: ``named``, the client's header, if it is sane, else a new one.

    Each greenlet has its own; one that serves several requests begins each.
    """
    if named is None or _SANE.fullmatch(named) is None:
        # An id is no secret, and this asks the kernel for nothing.
        named = f"{random.getrandbits(64):016x}"
    _current.set(named)
    return named


def current() -> str | None:
    """Return the id of the request that this greenlet works for, or None."""
    return _current.get()
