"""Whose turn it is to be announced: no venue waits until another's backlog is gone.

A venue may have thousands of changes pending, after an outage or because a program floods
it. Changes are announced in batches, and the venues take turns:

1. A call that asks for changes to be announced is a *round*. It announces one batch at a
   time. After each batch the next round goes on, and this one continues behind it.
2. Rows that this process claimed when it inserted them come first, from each venue in turn.
3. If a batch of claimed rows is full, the venues that had their share of it are left out of
   the next ones, until the others had theirs. Only this rule needs to know that there are
   several venues; with one there is nothing to leave out.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from waiter_service.outbox.rows import Entry
from waiter_service.turns import Turns


@dataclass(slots=True)
class Round:
    """What one call announces, everything unless told otherwise, and how far it is.

    ``has_venues``: there may be rows of several venues, which take turns.
    """

    limit: int = 100
    only_subjects: frozenset[str] | None = None
    retry: bool = True
    has_venues: bool = False
    sent: int = 0
    # Announced; their rows are still to be removed.
    told: list[Entry] = field(default_factory=list)
    # Subjects with nothing left in the outbox.
    emptied: set[str] = field(default_factory=set)
    # Subjects whose oldest row was not taken: their later rows must wait.
    stuck: set[str] = field(default_factory=set)
    turns: Turns = field(default_factory=Turns)

    @property
    def subjects_left(self) -> frozenset[str] | None:
        """The subjects of ``only_subjects`` that may have rows to announce; ``None``: any."""
        if self.only_subjects is None:
            return None
        return self.only_subjects - self.emptied - self.stuck

    def claimed(self, batch: Sequence[Entry]) -> bool:
        """Note the newest batch of claimed rows; return whether there may be more."""
        are_left_out = bool(self.turns.left_out)
        if self.has_venues:
            self.turns.taken([entry.venue_id for entry in batch], self.limit)
        return bool(batch) or are_left_out


class OwnRows:
    """Rows that this process holds and has yet to announce or to remove.

    Several threads may use it. The rows of a venue are taken in the order they came.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The venue whose turn is next comes first.
        self._of_venue: dict[str, deque[Entry]] = {}

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._of_venue.values()))

    def extend(self, entries: Iterable[Entry]) -> None:
        """Add ``entries`` behind the others of their venues."""
        with self._lock:
            for entry in entries:
                self._of_venue.setdefault(entry.venue_id, deque()).append(entry)

    def take(self, limit: int) -> list[Entry]:
        """Take up to ``limit`` rows, one from each venue in turn."""
        taken: list[Entry] = []
        with self._lock:
            while self._of_venue and len(taken) < limit:
                venue = next(iter(self._of_venue))
                rows = self._of_venue.pop(venue)
                taken.append(rows.popleft())
                if rows:
                    self._of_venue[venue] = rows
        return taken

    def sequences(self) -> set[int]:
        """Return the sequences of all rows."""
        with self._lock:
            return {entry.sequence for rows in self._of_venue.values() for entry in rows}

    def clear(self) -> None:
        """Forget all rows."""
        with self._lock:
            self._of_venue.clear()
