"""How refreshes are doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from notifications.refresh.trigger import Priority

_FAILURES = "refresh.failures"
_TRIGGERS = "refresh.triggers."
_SENT = "refresh.sent."


@dataclass(frozen=True, slots=True)
class RefreshStats:
    """What there is to say about refreshes, for health and metrics.

    ``pending`` counts the batches in the store, which other workers may share;
    None when the store does not answer or was not asked. The rest counts what
    this process has done since it started: ``triggers`` once per channel, by
    their priority, ``sent`` events by the priority their batch had in the end,
    and ``failures`` of publishing, each retried.
    """

    pending: int | None
    triggers: Mapping[Priority, int]
    sent: Mapping[Priority, int]
    failures: int

    def totals(self) -> dict[str, int]:
        """Return what this process counted as flat figures, to be summed with others'."""
        figures = {_FAILURES: self.failures}
        for priority in Priority:
            figures[f"{_TRIGGERS}{priority.value}"] = self.triggers[priority]
            figures[f"{_SENT}{priority.value}"] = self.sent[priority]
        return figures

    def of_all(self, totals: Mapping[str, int]) -> RefreshStats:
        """Return the same of a deployment whose ``totals`` were summed."""
        return RefreshStats(
            pending=self.pending,
            triggers={each: totals.get(f"{_TRIGGERS}{each.value}", 0) for each in Priority},
            sent={each: totals.get(f"{_SENT}{each.value}", 0) for each in Priority},
            failures=totals.get(_FAILURES, 0),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as they stand in ``/sse/health``."""
        return {
            "pending": self.pending,
            "triggers": sum(self.triggers.values()),
            "sent": sum(self.sent.values()),
            "failures": self.failures,
            "byPriority": {
                priority.value: {"triggers": self.triggers[priority], "sent": self.sent[priority]}
                for priority in Priority
            },
        }
