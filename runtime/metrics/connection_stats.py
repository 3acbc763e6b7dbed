"""Counts of this process's connections, as plain numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: Why the service ended a connection: ``full``, as many are served as may be; ``slow_body``, the
#: rest of a request did not come; ``unread_answer``, the client did not read the answer.
CAUSES = ("full", "slow_body", "unread_answer")


@dataclass(slots=True)
class ConnectionStats:
    """Updated by the server's worker, read as metrics; both in one process."""

    #: Connections being served now, without streams that were handed over.
    open: int = 0
    #: Connections that the service ended since the process started, by cause.
    ended: Counter[str] = field(default_factory=Counter)
