"""What Prometheus reads: this process's figures, or the sum of all workers'.

On the way of an event no metric is touched. The services count in plain
integers; once a second, and before it answers a scrape, each process carries
those over into Prometheus's metrics. So delivering to a thousand streams
costs what it did before, and one second of counts is what a ``kill -9`` loses.

A custom collector that reads the integers when scraped would be shorter, but
works in one process only: of several, whichever accepts the scrape has to
know what the others counted, and prometheus-client shares real metrics alone
(through files, see ``metrics_directory``). One way for both is simpler than two.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from notifications import errors
from notifications.background import Background
from notifications.brokers.base import Broker
from notifications.events.catalogue import PUBLISHED
from notifications.publishing.notification_service import NotificationService
from notifications.refresh.service import CacheRefreshService
from notifications.refresh.trigger import Priority
from notifications.streams.service import SseService
from notifications.streams.stream import CloseReason
from runtime.metrics import directory
from runtime.metrics.all_workers import AllWorkers
from runtime.metrics.connection_stats import CAUSES, ConnectionStats
from runtime.metrics.deployment import DeploymentCollector, WriteObstacle
from runtime.metrics.followed_total import FollowedTotal, FollowedTotals
from waiter_service import WaiterService, __version__

log = logging.getLogger("notifications.metrics")

#: Seconds between two times of carrying over. A scrape is at most this far
#: behind for the workers that do not answer it themselves.
INTERVAL_SECONDS = 1.0

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST

# All that a refusal may say of its cause, so that each counts from zero.
_CAUSES = tuple(
    cause
    for each in vars(errors).values()
    if isinstance(cause := getattr(each, "cause", None), str)
)
_EVENT_TYPES = tuple(kind.event_type for kind in PUBLISHED)
_PRIORITIES = tuple(priority.value for priority in Priority)

#: Seconds: from one turn of the event loop up to an outage made good.
_DELIVERY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

#: How the gauges of several workers become one; a dead worker's is left out.
_AcrossWorkers = Literal["livesum", "livemax", "livemin"]


class MetricGroup(Protocol):
    """Further figures of this process that travel with the others."""

    def declare(self, registry: CollectorRegistry) -> None:
        """Make the metrics, in ``registry``."""

    def carry_over(self) -> None:
        """Bring them up to date. Never switches greenlets."""


class Metrics:
    """Everything at ``/metrics``; ``docs/operations/metrics.md`` says what it means."""

    def __init__(
        self,
        *,
        sse: SseService,
        notifications: NotificationService,
        cache_refresh: CacheRefreshService,
        broker: Broker,
        service: WaiterService,
        writes: WriteObstacle,
        dropped_log_lines: Callable[[], int],
        connections: ConnectionStats,
        groups: Sequence[MetricGroup] = (),
    ) -> None:
        self._sse = sse
        self._notifications = notifications
        self._cache_refresh = cache_refresh
        self._broker = broker
        self._service = service
        self._dropped_log_lines = dropped_log_lines
        self._connections = connections
        self._groups = groups
        self._background = Background(self._run)

        # "Created" series double the page, and nothing here asks for them.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._own = self._registry
        if directory.is_used():
            # Ours are in the files with the others': not to be told twice.
            self._own = CollectorRegistry()
            self._registry.register(AllWorkers(directory.path()))
        self._registry.register(DeploymentCollector(service, cache_refresh, writes))
        self._declare_stream_metrics()
        self._declare_event_metrics()
        self._declare_process_metrics()
        for group in groups:
            group.declare(self._own)

    def start(self) -> None:
        """Carry over once a second from now on. Idempotent."""
        if not self._background.is_running:
            self._workers.set(1)
            self._background.start()

    def stop(self) -> None:
        """Carry over a last time, what the draining has closed too. Idempotent."""
        if self._background.is_running:
            self._background.stop()
            self._count()
            self._workers.set(0)
            self._relaying.set(0)

    def text(self) -> bytes:
        """Return the answer to a scrape, in Prometheus's text format. May switch greenlets."""
        self._count()
        self._look()
        return prometheus_client.generate_latest(self._registry)

    # -- what there is --------------------------------------------------------

    def _declare_stream_metrics(self) -> None:
        open_streams = self._gauge("streams_open", "Open streams.", "livesum", "kind")
        kinds = self._sse.counts().keys()
        self._open = {kind: open_streams.labels(kind) for kind in kinds}
        self._opened = self._totals("streams_opened", "Streams opened.", "kind", kinds)
        self._resumed = self._total(
            "streams_resumed", "Streams opened that went on where they had left off."
        )
        self._closed = self._totals(
            "streams_closed", "Streams ended.", "reason", [each.code for each in CloseReason]
        )
        self._refused = self._totals("streams_refused", "Streams not opened.", "cause", _CAUSES)
        self._fullest = self._gauge(
            "fullest_mailbox_events", "Events that wait for the slowest client.", "livemax"
        )
        self._overflows = self._total("mailbox_overflows", "Events that met a full mailbox.")
        self._resyncs = self._totals(
            "resyncs",
            "Streams told to load everything again.",
            "cause",
            ("place_unknown", "history_lost"),
        )

    def _declare_event_metrics(self) -> None:
        self._published = self._totals("events_published", "Events sent.", "type", _EVENT_TYPES)
        self._delivered = self._total("events_delivered", "Events written to streams.")
        self._replayed = self._total(
            "events_replayed", "Events written that came from the history."
        )
        self._delivery_seconds = Histogram(
            "restaurant_event_delivery_seconds",
            "From the change until its event was written to the streams; a sample.",
            buckets=_DELIVERY_BUCKETS,
            registry=self._own,
        )
        self._refresh_triggers = self._totals(
            "refresh_triggers", "Refreshes asked for, per channel.", "priority", _PRIORITIES
        )
        self._refresh_batches = self._totals(
            "refresh_batches", "Refreshes sent, each for many triggers.", "priority", _PRIORITIES
        )
        self._refresh_failures = self._total(
            "refresh_failures", "Refreshes that could not be sent and are tried again."
        )

    def _declare_process_metrics(self) -> None:
        build = self._gauge("build_info", "1 for the release that is served.", "livemax", "version")
        build.labels(__version__).set(1)
        self._workers = self._gauge("workers", "Workers that serve.", "livesum")
        self._broker_up = self._gauge(
            "broker_up", "1 while every worker reaches the broker, else 0.", "livemin"
        )
        # Up until this worker has looked: the metric is the minimum over all workers.
        self._broker_up.set(1)
        self._histories_lost = self._total(
            "histories_lost", "Histories of open streams that were lost."
        )
        self._evicted_keys = self._gauge(
            "redis_evicted_keys", "Keys that Redis has evicted since it started.", "livemax"
        )
        self._relaying = self._gauge(
            "relaying_workers", "Workers that announce what is in the outbox.", "livesum"
        )
        self._connections_open = self._gauge(
            "connections_open", "Connections being served, but for live streams.", "livesum"
        )
        self._connections_ended = self._totals(
            "connections_ended", "Connections ended from our side.", "cause", CAUSES
        )
        self._log_lines_dropped = self._total(
            "log_lines_dropped", "Log lines lost, because stderr was not read in time."
        )
        self._lag_seconds = Histogram(
            "restaurant_event_loop_lag_seconds",
            "How late a timer of one second fires.",
            buckets=_LAG_BUCKETS,
            registry=self._own,
        )

    def _gauge(self, name: str, text: str, mode: _AcrossWorkers, *labels: str) -> Gauge:
        return Gauge(f"restaurant_{name}", text, labels, registry=self._own, multiprocess_mode=mode)

    def _total(self, name: str, text: str) -> FollowedTotal:
        return FollowedTotal(Counter(f"restaurant_{name}", text, registry=self._own))

    def _totals(self, name: str, text: str, label: str, known: Iterable[str]) -> FollowedTotals:
        return FollowedTotals(
            Counter(f"restaurant_{name}", text, [label], registry=self._own), known
        )

    # -- carrying over --------------------------------------------------------

    def _run(self) -> None:
        due = time.monotonic() + INTERVAL_SECONDS
        while self._background.wait(INTERVAL_SECONDS):
            self._lag_seconds.observe(max(0.0, time.monotonic() - due))
            try:
                self._count()
                self._look()
            except Exception:
                # Old figures are better than none at all.
                log.exception("metrics could not be carried over; the next second tries again")
            due = time.monotonic() + INTERVAL_SECONDS

    def _count(self) -> None:
        """Bring what this process has counted up to date. Never switches greenlets."""
        stats = self._sse.stats
        self._opened.follow(stats.opened)
        self._resumed.follow(stats.resumed)
        self._closed.follow(stats.closed)
        self._refused.follow(stats.refused)
        self._overflows.follow(stats.overflows)
        self._histories_lost.follow(stats.histories_lost)
        self._resyncs.follow(stats.resyncs)
        self._replayed.follow(stats.events_replayed)
        self._delivered.follow(self._sse.events_sent())
        for seconds in stats.latency.take():
            self._delivery_seconds.observe(seconds)
        self._published.follow(self._notifications.published)
        refreshes = self._cache_refresh.refresh_stats(count_pending=False)
        self._refresh_triggers.follow(refreshes.triggers)
        self._refresh_batches.follow(refreshes.sent)
        self._refresh_failures.follow(refreshes.failures)
        for kind, streams in self._sse.counts().items():
            self._open[kind].set(streams)
        self._fullest.set(self._sse.fullest_mailbox())
        self._connections_open.set(self._connections.open)
        self._connections_ended.follow(self._connections.ended)
        self._log_lines_dropped.follow(self._dropped_log_lines())
        for group in self._groups:
            group.carry_over()

    def _look(self) -> None:
        """See how this process's surroundings are."""
        self._broker_up.set(self._broker.status().is_up)
        self._evicted_keys.set(self._broker.evicted_keys)
        self._relaying.set(self._service.is_relay)
