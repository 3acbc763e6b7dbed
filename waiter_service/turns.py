"""Turns: no venue waits until another's backlog is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


class Turns:
    """Tells which venues to leave out of the next batch, when work is taken in batches.

    If a batch is full, the venues that had at least an equal share of it are left out until
    the others had their turn. So a venue waits for one batch of each other venue at most.
    """

    def __init__(self) -> None:
        self.left_out: set[str] = set()

    def taken(self, venues: Sequence[str], limit: int) -> None:
        """Note a batch of up to ``limit`` pieces of work: the venue of each piece."""
        if len(venues) < limit:
            # The venues that were not left out have no more work, so all begin again.
            self.left_out.clear()
            return
        pieces_of = Counter(venues)
        # At least one venue has an equal share, so every full batch ends somebody's turn.
        self.left_out |= {
            venue for venue, pieces in pieces_of.items() if pieces * len(pieces_of) >= limit
        }
