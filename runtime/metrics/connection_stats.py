"""What has happened to the connections of this process, in plain numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: Why a connection was ended from our side: ``full``, as many are being served as may be;
#: ``slow_body``, the rest of a request did not come; ``unread_answer``, nobody read ours.
CAUSES = ("full", "slow_body", "unread_answer")


@dataclass(slots=True)
class ConnectionStats:
    """Filled by the server's worker, read as metrics; both in one process."""

    #: Connections that are being served now, but for streams that were handed over.
    open: int = 0
    #: Connections ended from our side since the process started, by cause.
    ended: Counter[str] = field(default_factory=Counter)
