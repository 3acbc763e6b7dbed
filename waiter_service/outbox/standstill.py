"""How long rows of the outbox have stood still, as this process has seen it.

A process that announces changes its claims all the time: rows go, others come, and those
it holds for longer are *renewed*, which raises a counter. So claims that do not change
at all are those of a process that has died, and after ``VOID_SECONDS`` anybody may
take the rows. In the same way a row that could not be announced is left alone
until it has stood still for the length of its pause.

Each process measures with its own monotonic clock, from the moment it first saw the rows
as they are. So no times are compared that different machines wrote, a clock that was set
and corrected delays nothing, and it makes no difference through which connection, or
through which pooler, a process reaches the database. Rows are told apart by their
``sequence``, which no other row gets, so that the same rows with the same counters are the
same claims, however long ago the last look was.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

# A living process renews after RENEW_SECONDS, unless a single receiver keeps it waiting
# for longer. Taking its claims then does no harm: what is announced twice has a key. This is
# how long the rows of a killed process wait.
VOID_SECONDS = 2.0
RENEW_SECONDS = 0.5

# How long a change rests that could not be announced for the first, the second
# ... time, and every time after the last. Twice at once, for a receiver that only
# stumbled; then more and more rarely, since one that nobody can take, or even read,
# would otherwise be tried and logged four times a second. Half a minute is how
# long a table may stand still once the cause is repaired.
PAUSES_SECONDS = (0, 0, 2, 4, 8, 16, 30)

# A row that has failed no more often than this is tried at once.
UNPAUSED_ATTEMPTS = PAUSES_SECONDS.count(0)


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A row that somebody has claimed, or that has failed too often to be tried at once."""

    sequence: int
    claimed_by: str | None
    renewals: int
    attempts: int


class Standstill:
    """Remembers since when claims and failed rows are as they are, for ``claimant``.

    Another's claims count together, since one that changes proves that it lives. Our own count
    each for itself: one that is not in our hands was left behind by a statement whose
    answer got lost, and nobody else would free it while we live.
    """

    def __init__(self, claimant: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._claimant = claimant
        self._clock = clock
        # By whose they are, or by the row's sequence: what was seen, and since when.
        self._seen: dict[str | int, tuple[HeldRow | frozenset[HeldRow], float]] = {}

    def look(self, rows: Iterable[HeldRow]) -> None:
        """Take in all held rows as they are now."""
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
        """Take in that a row was paused just now: its pause begins before the next look."""
        self._seen[sequence] = (HeldRow(sequence, None, 0, attempts), self._clock())

    def take_void(self, in_hand: Collection[int]) -> dict[str, list[int]]:
        """Return the claims that stand for nobody, by claimant, once; never what is ``in_hand``."""
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
