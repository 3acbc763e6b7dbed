"""The figures of all workers, summed from the files in their directory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector


class AllWorkers(Collector):
    """Sums the figures in ``directory``, whichever worker is asked.

    A worker creates each of its files empty and fills it a moment later. Empty files are left
    out: prometheus-client's own collector cannot read them, so a scrape at that moment failed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """Return the sums as they are now."""
        files = [str(file) for file in self._directory.glob("*.db") if _is_filled(file)]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged


def _is_filled(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:
        return False  # a dead worker's, removed after it was listed
