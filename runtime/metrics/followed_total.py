"""Prometheus counters that follow totals kept elsewhere as plain integers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from prometheus_client import Counter

S = TypeVar("S", bound=str)


class FollowedTotal:
    """A counter that is set to a total, not increased by a difference."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._followed = 0

    def follow(self, total: int) -> None:
        """Raise the counter to ``total``; never lowers it."""
        if total > self._followed:
            self._counter.inc(total - self._followed)
            self._followed = total


class FollowedTotals:
    """The same for a counter with one label.

    ``known`` values exist from the start, at zero: a series that begins with its first failure
    hides that failure from ``rate()``.
    """

    def __init__(self, counter: Counter, known: Iterable[str]) -> None:
        self._counter = counter
        self._by_value: dict[str, FollowedTotal] = {
            value: FollowedTotal(counter.labels(value)) for value in known
        }

    def follow(self, totals: Mapping[S, int]) -> None:
        """Raise each series to its total."""
        for value, total in totals.items():
            if value not in self._by_value:
                self._by_value[value] = FollowedTotal(self._counter.labels(value))
            self._by_value[value].follow(total)
