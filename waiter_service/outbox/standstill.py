"""How long claims and paused rows of the outbox have not changed, as seen by this process.

A process that announces changes its claims constantly: rows go, new ones come, and claims
it holds for longer are *renewed*, which raises a counter. Claims that do not change at all
belong to a process that died. After ``VOID_SECONDS`` any process may take those rows. In the
same way, a row that could not be announced is left alone until it has not changed for
the length of its pause.

Each process measures with its own monotonic clock, from the moment it first saw the rows in
their current state. So times written by different machines are never compared, setting a
clock delays nothing, and it does not matter through which connection or pooler a
process reaches the database. Rows are identified by their ``sequence``, which is never
reused. So the same rows with the same counters are the same claims, however long ago the
last look was.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

# A living process renews after RENEW_SECONDS, unless a single receiver takes longer. Then
# taking its claims does no harm: the key keeps the event single. VOID_SECONDS is how long
# the rows of a killed process wait.
VOID_SECONDS = 2.0
RENEW_SECONDS = 0.5

# Pauses after the first, second, ... failed attempt, and after every later one. Two retries
# come at once, for a receiver that failed by chance. Then they become rarer, because a
# row that cannot be announced or even read would otherwise be tried and logged four times a
# second. Half a minute is the longest that a session waits after the cause is fixed.
PAUSES_SECONDS = (0, 0, 2, 4, 8, 16, 30)

# A row that has failed this often or less is retried at once.
UNPAUSED_ATTEMPTS = PAUSES_SECONDS.count(0)


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A row that is claimed, or that has failed too often to be retried at once."""

    sequence: int
    claimed_by: str | None
    renewals: int
    attempts: int


class Standstill:
    """Remembers, for ``claimant``, since when claims and failed rows have been in their state.

    Another process's claims count together: if one of them changes, the process is alive. Our
    own claims count separately: a claim of ours that we do not know of comes from a
    statement whose answer was lost, and no other process would free it while we live.
    """

    def __init__(self, claimant: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._claimant = claimant
        self._clock = clock
        # By claimant, or by the row's sequence: the state, and since when it has been seen.
        self._seen: dict[str | int, tuple[HeldRow | frozenset[HeldRow], float]] = {}

    def look(self, rows: Iterable[HeldRow]) -> None:
        """Record the current state of all claimed or paused rows."""
        states: dict[str | int, HeldRow | frozenset[HeldRow]] = {}
        others: defaultdict[str, set[HeldRow]] = defaultdict(set)
        for row in rows:
            if row.claimed_by is None or row.claimed_by == self._claimant:
                states[row.sequence] = row
            else:
                others[row.claimed_by].add(row)
        for claimant, claimed in others.items():
            states[claimant] = frozenset(claimed)
        now, before = self._clock(), self._seen
        self._seen = {
            key: before[key] if key in before and before[key][0] == state else (state, now)
            for key, state in states.items()
        }

    def failed(self, sequence: int, attempts: int) -> None:
        """Record that a row was paused just now, so that its pause begins before the next look."""
        self._seen[sequence] = (HeldRow(sequence, None, 0, attempts), self._clock())

    def take_void(self, in_hand: Collection[int]) -> dict[str, list[int]]:
        """Return the claims of dead processes, by claimant, once; never those ``in_hand``."""
        void: defaultdict[str, list[int]] = defaultdict(list)
        for key, (state, since) in list(self._seen.items()):
            if self._clock() - since < VOID_SECONDS:
                continue
            for row in state if isinstance(state, frozenset) else (state,):
                if row.claimed_by is not None and row.sequence not in in_hand:
                    void[row.claimed_by].append(row.sequence)
                    self._seen.pop(key, None)
        return void

    def due(self) -> list[int]:
        """Return the failed rows whose pause is over."""
        return [
            state.sequence
            for state, since in self._seen.values()
            if isinstance(state, HeldRow)
            and state.claimed_by is None
            and self._clock() - since >= _pause_seconds(state.attempts)
        ]


def _pause_seconds(attempts: int) -> float:
    return PAUSES_SECONDS[min(attempts, len(PAUSES_SECONDS)) - 1]
