"""A process that serves streams: its parts, and the order in which they start and stop.

::

    start:  check schema and prefix -> lock -> read revocations -> hear signals -> feed streams
            -> send refreshes -> restore histories -> relay
            -> compare the database with what is remembered
    drain:  stop relaying -> stop hearing -> send pending refreshes -> remember the database
            -> save histories -> release the lock -> close streams -> last figures

The command line builds the same application but never starts it: its changes wait in the
outbox for a process that serves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gevent.event import Event as Flag
from gevent.lock import BoundedSemaphore

from notifications.brokers.base import Broker
from notifications.brokers.presence import Counts, Presence
from notifications.channels import KINDS
from notifications.events.payload import format_timestamp
from notifications.publishing.listener import FloorListener
from notifications.publishing.relay import Relay
from notifications.refresh.service import CacheRefreshService
from notifications.streams.service import SseService
from runtime.database_watch import DatabaseWatch
from runtime.housekeeping import Housekeeping
from runtime.metrics.metrics import Metrics
from runtime.serving_lock import ServingLock, StandingBy
from runtime.write_probe import WriteProbe
from waiter_service import Database, __version__

log = logging.getLogger("serving")


class Serving:
    """Starts and stops everything that runs beside the requests."""

    def __init__(
        self,
        *,
        database: Database,
        broker: Broker,
        presence: Presence,
        sse: SseService,
        listener: FloorListener,
        cache_refresh: CacheRefreshService,
        relay: Relay,
        database_watch: DatabaseWatch,
        look: Callable[[], None],
        housekeeping: Housekeeping,
        metrics: Metrics,
        writes: WriteProbe,
        lock: ServingLock | None = None,
    ) -> None:
        self._database = database
        self._broker = broker
        self._presence = presence
        self._sse = sse
        self._listener = listener
        self._cache_refresh = cache_refresh
        self._relay = relay
        self._database_watch = database_watch
        self._look = look
        self._housekeeping = housekeeping
        self._metrics = metrics
        self._writes = writes
        self._lock = lock
        self._starting = BoundedSemaphore()
        self._is_started = False
        self._drained: Flag | None = None
        self._is_awaited = False

    def start(self) -> None:
        """Begin to serve. Idempotent; may be tried again after an error.

        Raises:
            DatabaseError: the database does not answer, or its schema is behind.
            BrokerUnusable: Redis answers but cannot be used.
            StandingBy: another process serves this folder.

        Each error says what to do.
        """
        if not self._is_started:
            # Under other servers several first requests may come at once.
            with self._starting:
                self._start()

    def _start(self) -> None:
        if self._is_started:
            return
        self._database.check()
        self._broker.check()
        if self._lock is not None and not self._lock.acquire():
            raise StandingBy(
                "several processes hear of each other's events only through Redis: stop the "
                "process that serves the same folder, or set REDIS_URL for both"
            )
        # Before the first stream: a revoked token must not open one after a restart, and a
        # crowd that comes back must not read the venue of each of its streams.
        self._look()
        self._listener.connect()
        self._sse.start()
        self._cache_refresh.start()
        self._broker.restore()
        # The last step that needs the database: if it fails, all steps are tried again.
        self._relay.start()
        # Before the first stream, and after the histories are restored.
        self._database_watch.start()
        self._is_started = True
        self._presence.start(self._counts, self._sse.streams.waiter_streams)
        self._metrics.start()
        self._housekeeping.start()

    def announce_end(self) -> None:
        """Tell other processes that this one no longer takes their streams."""
        if self._is_started:
            self._presence.announce_end()

    def has_successor(self) -> bool:
        """Return whether another process can take our streams at once. May switch greenlets."""
        if self._lock is not None:
            return self._lock.is_awaited()
        return self._presence.others_serve()

    def drain(self) -> None:
        """Send what is pending, close every stream, and stop. Idempotent.

        Returns when all of it is done, even if another greenlet does it.
        """
        if not self._is_started:
            return
        if self._drained is not None:
            self._drained.wait()
            return
        self._drained = Flag()
        log.info("draining", extra={"fields": {"streams": sum(self._sse.counts().values())}})
        self._sse.refuse_new_streams()
        self._presence.announce_end()
        self._end(
            # What is committed from here on stays in the outbox for the next process. The
            # listener hears until relaying has stopped: if only other receivers
            # took a change, its row would go, and no screen would hear of it.
            self._relay.stop,
            self._listener.disconnect,
            self._cache_refresh.drain,
            self._database_watch.stop,
            self._housekeeping.stop,
            self._broker.save,
            self._release,
            self._close_streams,
        )
        log.info("drained")

    def _release(self) -> None:
        if self._lock is not None:
            self._is_awaited = self._lock.is_awaited()
            self._lock.release()

    def _close_streams(self) -> None:
        """Close streams over time while other processes take them; otherwise late and at once.

        With the memory broker, another process hears the changes from now on: close at once too.
        """
        others_serve = self._lock is None and self._presence.others_serve()
        self._sse.drain(is_spread=others_serve, is_handed_over=self._is_awaited)

    def stop(self) -> None:
        """Close and stop everything at once. Idempotent."""
        if self._is_started and self._drained is None:
            self._drained = Flag()
            self._end(
                self._relay.stop,
                self._listener.disconnect,
                self._cache_refresh.stop,
                self._database_watch.stop,
                self._housekeeping.stop,
                self._broker.save,
                self._release,
            )

    def _end(self, *steps: Callable[[], object]) -> None:
        """Run ``steps``, stop the remaining parts, and release callers that wait for the end.

        A step that fails is logged, and the others run: streams must still be closed, and
        gunicorn would wait for this process until it kills it.
        """
        assert self._drained is not None
        try:
            for step in (*steps, self._presence.stop, self._sse.stop, self._metrics.stop):
                try:
                    step()
                except Exception:
                    log.exception("shutdown step failed; continuing")
        finally:
            self._drained.set()

    def _counts(self) -> Counts:
        """Return what this process adds to the deployment's figures."""
        refreshes = self._cache_refresh.refresh_stats(count_pending=False)
        return {**self._sse.counts(), **refreshes.totals()}

    @property
    def is_draining(self) -> bool:
        """This process is about to stop."""
        return self._sse.is_draining

    def health(self) -> dict[str, Any]:
        """Return /sse/health's answer; ``status`` is healthy, or ``reason`` says why it is not.

        Covers everything, including the engines that all processes share: for people and
        monitoring. Takes at most a second; switches greenlets.
        """
        counts = self._presence.total()
        sessions, waiters = counts.get("session", 0), counts.get("waiter", 0)
        broker = self._broker.status()
        cannot_change = self._writes.obstacle()
        report: dict[str, Any] = {
            "status": "healthy",
            "timestamp": format_timestamp(datetime.now(UTC)),
            "activeConnections": {
                "sessions": sessions,
                "waiters": waiters,
                "total": sum(counts.get(kind, 0) for kind in KINDS),
            },
            "broker": {"kind": broker.kind, "status": "up" if broker.is_up else "down"},
            "database": {
                "kind": "sqlite" if self._database.is_sqlite else "postgresql",
                "status": "down" if cannot_change else "up",
            },
            "cacheRefresh": self._cache_refresh.refresh_stats().of_all(counts).to_dict(),
            "version": __version__,
        }
        reasons = [] if broker.is_up else [f"broker: {broker.detail}"]
        if cannot_change:
            reasons.append(f"database: {cannot_change}")
        if self._sse.is_draining:
            report |= {"status": "draining", "reason": "this process is about to stop"}
        elif reasons:
            report |= {"status": "unhealthy", "reason": "; ".join(reasons)}
        return report
