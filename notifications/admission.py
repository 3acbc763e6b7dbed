"""Who is let in, and how fast: limits that keep a storm from being a flood."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from notifications.errors import ServerBusy, ServerFull, TooManyStreams

#: Seconds a client may be kept waiting for its turn. Longer, and browsers'
#: and proxies' own patience would end first.
MAX_WAIT_SECONDS = 5.0

#: Seconds after which a refused client may try again. A guess: long enough
#: to thin a crowd out, short enough that a screen is not stale for long.
RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many streams may be open, and how fast they are let in.

    ``max_streams`` and ``opens_per_second`` are per process,
    ``max_streams_per_principal`` per bearer and process.
    """

    max_streams: int = 10_000
    max_streams_per_principal: int = 1000
    opens_per_second: float = 2000.0


class Admission:
    """Counts what is open and hands out turns. Times are monotonic seconds."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._open_count = 0
        self._open_by_principal: Counter[str] = Counter()
        self._next_turn = 0.0

    def enter(self, principal_key: str, now: float) -> float:
        """Let one stream in; return the seconds it is to wait for its turn.

        Turns are ``1 / opens_per_second`` apart; half a second of them may be
        taken at once, so only a real storm ever waits.

        Raises:
            TooManyStreams, ServerFull, ServerBusy: it was not let in.
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
        turn = max(self._next_turn, now - 0.5)
        wait_seconds = max(0.0, turn - now)
        if wait_seconds > MAX_WAIT_SECONDS:
            raise ServerBusy(
                "Too many clients are connecting at once.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        self._next_turn = turn + 1.0 / limits.opens_per_second
        self._open_count += 1
        self._open_by_principal[principal_key] += 1
        return wait_seconds

    def leave(self, principal_key: str) -> None:
        """Take back what :meth:`enter` counted."""
        self._open_count -= 1
        self._open_by_principal[principal_key] -= 1
        if not self._open_by_principal[principal_key]:
            del self._open_by_principal[principal_key]
