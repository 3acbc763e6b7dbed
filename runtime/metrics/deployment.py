"""Figures that all processes share: what is pending in the database and in Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from notifications.refresh.service import CacheRefreshService
from runtime.metrics.probe import NoAnswer, Probe
from waiter_service.errors import DatabaseError


class Outbox(Protocol):
    """What the metrics ask of the waiter service."""

    def pending_count(self) -> int: ...
    def oldest_age_seconds(self) -> float: ...


class WriteObstacle(Protocol):
    """What the metrics ask of the write probe."""

    def obstacle(self) -> str | None: ...


class DeploymentCollector(Collector):
    """Asks at the moment of the scrape, in whichever process answers it.

    Every process would find the same, so nothing is kept, summed or refreshed. A figure without
    an answer within a second is left out, and the others are still reported. Collecting may
    switch greenlets.
    """

    def __init__(
        self, outbox: Outbox, cache_refresh: CacheRefreshService, writes: WriteObstacle
    ) -> None:
        self._outbox = Probe(lambda: (outbox.pending_count(), outbox.oldest_age_seconds()))
        self._writes = writes
        self._refreshes = Probe(lambda: cache_refresh.refresh_stats().pending)

    def collect(self) -> Iterator[Metric]:
        """Return the current figures."""
        yield from self._of_the_database()
        yield GaugeMetricFamily(
            "restaurant_database_writable",
            "1 while changes can be made, else 0; found out by making one every 10 s.",
            0 if self._writes.obstacle() else 1,
        )
        yield from self._of_the_refresh_store()

    def _of_the_database(self) -> Iterator[Metric]:
        is_up = GaugeMetricFamily("restaurant_database_up", "1 while the database answers, else 0.")
        try:
            pending, oldest_age_seconds = self._outbox.answer()
        except (DatabaseError, NoAnswer):
            is_up.add_metric([], 0)
            yield is_up
            return
        is_up.add_metric([], 1)
        yield is_up
        yield GaugeMetricFamily(
            "restaurant_outbox_pending_changes",
            "Changes committed but not announced yet.",
            pending,
        )
        yield GaugeMetricFamily(
            "restaurant_outbox_oldest_age_seconds",
            "Age of the oldest change not announced yet; 0 when there is none.",
            oldest_age_seconds,
        )

    def _of_the_refresh_store(self) -> Iterator[Metric]:
        try:
            pending = self._refreshes.answer()
        except NoAnswer:
            pending = None
        if pending is not None:
            yield GaugeMetricFamily(
                "restaurant_refresh_batches_pending",
                "Refreshes that wait for their moment.",
                pending,
            )
