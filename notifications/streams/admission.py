"""How many streams may be open."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from notifications.errors import ServerFull, TooManyStreams

#: Seconds after which a refused client may try again. A guess: long enough
#: to thin a crowd out, short enough that a screen is not stale for long.
RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many streams a process may have open, and one bearer in that process."""

    max_streams: int = 10_000
    max_streams_per_principal: int = 1000


class Admission:
    """Counts what is open."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._open_count = 0
        self._open_by_principal: Counter[str] = Counter()

    def enter(self, principal_key: str) -> None:
        """Let one stream in.

        Raises:
            TooManyStreams, ServerFull: it was not let in.
        """
        limits = self._limits
        if self._open_by_principal.get(principal_key, 0) >= limits.max_streams_per_principal:
            raise TooManyStreams(
                f"There are {limits.max_streams_per_principal} streams open with this access; "
                "close one first.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        if self._open_count >= limits.max_streams:
            raise ServerFull(
                "This server has as many streams open as it may have.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        self._open_count += 1
        self._open_by_principal[principal_key] += 1

    def leave(self, principal_key: str) -> None:
        """Take back what :meth:`enter` counted."""
        self._open_count -= 1
        self._open_by_principal[principal_key] -= 1
        if not self._open_by_principal[principal_key]:
            del self._open_by_principal[principal_key]
