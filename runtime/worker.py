"""The gunicorn worker that serves streams.

gunicorn's master imports this module before any worker has patched blocking functions. So
nothing at the top of this file may import the driver of a database or of Redis.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Never

import gevent
from gevent import events
from gevent.event import Event
from gevent.server import StreamServer
from gunicorn.arbiter import Arbiter

from runtime.cooperation import blocking_parts
from runtime.http.bounded_worker import BoundedWorker
from runtime.serving_lock import StandingBy
from runtime.settings import SettingsError
from runtime.shared_state import SharedState

if TYPE_CHECKING:
    from runtime.serving import Serving

#: Seconds between two signs of life to the master, which waits for ``timeout``.
NOTIFY_SECONDS = 1.0

#: Seconds between two attempts to use a database that is away.
RETRY_SECONDS = 1.0

#: Seconds between two checks whether another process has released the lock, or waits for
#: it. Screens are dark meanwhile.
TAKEOVER_SECONDS = 0.02

#: Seconds that a worker being replaced waits for the new one, which takes about one second to
#: start. On a busy machine it may take ten times as long: a guess.
SUCCESSOR_SECONDS = 10.0

#: Seconds between two checks whether the last requests have been answered.
LAST_REQUESTS_SECONDS = 0.02

#: Objects created and not yet freed before the youngest generation is collected. Python's
#: default of 700 is about ten streams.
COLLECTOR_THRESHOLDS = (50_000, 20, 50)


class StreamWorker(BoundedWorker):
    """A gevent worker that starts and stops what runs beside the requests.

    The application it serves has ``serving`` in its ``extensions``.
    """

    # The master imports this module before it forks the first worker.
    shared: ClassVar[SharedState] = SharedState()

    #: Set when the worker must stop; None until it serves.
    _stopping: Event | None = None
    _is_quitting = False

    # -- start ----------------------------------------------------------------

    def patch(self) -> None:
        """Patch blocking functions, without a search for plugins."""
        # gevent would search every installed package for plugins, once for each module that it
        # patches: an eighth of the start, and there are none.
        plugins: Any = events
        ask = plugins.notify_and_call_entry_points
        plugins.notify_and_call_entry_points = plugins.notify
        try:
            super().patch()
        finally:
            plugins.notify_and_call_entry_points = ask

    def load_wsgi(self) -> None:
        """Load the application, or exit with one sentence if it cannot be used."""
        # Imported objects stay: collecting garbage among them is a sixth of the start.
        gc.disable()
        try:
            super().load_wsgi()
        except SettingsError as error:
            self._give_up(str(error))
        if blocking := blocking_parts():
            self._give_up(
                f"waiting for {' and '.join(blocking)} would block the whole worker. Import "
                "them only after gevent has patched what blocks, and leave PSYCOPG_WAIT_FUNC unset"
            )

    def run(self) -> None:
        """Start what runs beside the requests, serve until told to stop, then drain."""
        self._stopping = Event()
        self._start_serving()
        self.wsgi.extensions["stream_entrance"].trust(self.cfg.forwarded_allow_ips)
        _tune_collector()
        servers = [self.listen(listener) for listener in self.sockets]
        while self.alive:
            self.notify()
            self._stopping.wait(NOTIFY_SECONDS)
        self._await_successor()
        self._stop(servers)

    @property
    def _serving(self) -> Serving:
        serving: Serving = self.wsgi.extensions["serving"]
        return serving

    def _start_serving(self) -> None:
        """Start to serve. Waits, without accepting, while another process serves the same.

        A first worker that cannot use the database or its broker exits, and the master with it. If
        another worker has served before, or this one replaces one, it waits instead: otherwise
        the master would end the other workers and all of their streams.
        """
        # These import the drivers.
        from notifications.errors import BrokerUnusable
        from waiter_service.errors import DatabaseError

        is_replacement = self.age > self.cfg.workers
        said = ""
        while True:
            pause_seconds = RETRY_SECONDS
            try:
                self._serving.start()
            except StandingBy as error:
                message, obstacle = "this worker stands by", str(error)
                pause_seconds = TAKEOVER_SECONDS
            except (DatabaseError, BrokerUnusable) as error:
                if not (is_replacement or self.shared.has_served):
                    self._give_up(str(error))
                message, obstacle = "this worker waits for the broker", str(error)
                if isinstance(error, DatabaseError):
                    message = "this worker waits for the database"
            else:
                self.shared.note_serving()
                return
            if message != said:
                self.log.warning(message, extra={"fields": {"error": obstacle}})
                said = message
            self.notify()
            time.sleep(pause_seconds)  # gevent's: this process is patched
            if not self.alive:
                sys.exit(0)

    def _give_up(self, sentence: str) -> Never:
        """Exit with the code that makes the master exit too."""
        # The sentence says what to do; a traceback would only hide it.
        self.log.error("The service cannot start: %s", sentence)
        sys.exit(Arbiter.WORKER_BOOT_ERROR)

    # -- end ------------------------------------------------------------------

    def _await_successor(self) -> None:
        """In a reload, serve until the worker that replaces this one can take over."""
        serving = self._serving
        serving.announce_end()
        give_up_at = time.monotonic() + SUCCESSOR_SECONDS
        while (
            self.shared.is_replaced(self.age)
            and not serving.has_successor()
            and time.monotonic() < give_up_at
        ):
            self.notify()
            time.sleep(TAKEOVER_SECONDS)

    def _stop(self, servers: Sequence[StreamServer]) -> None:
        """Accept nothing more, drain, and wait until requests in flight are answered.

        Connections without a request are not waited for: they close with the process.
        """
        for server in servers:
            server.close()
        draining = gevent.spawn(self._serving.drain)
        give_up_at = time.monotonic() + self.cfg.graceful_timeout
        while not draining.ready() or self.requests_in_flight:
            if time.monotonic() > give_up_at:
                self.log.warning("Worker graceful timeout")
                return
            self.notify()
            draining.join(NOTIFY_SECONDS)
            if draining.ready():
                time.sleep(LAST_REQUESTS_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop: SIGTERM asks for an orderly end."""
        super().handle_exit(sig, frame)
        if self._stopping is not None:
            self._stopping.set()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Close everything at once: SIGINT (Ctrl-C) and SIGQUIT ask for a quick end."""
        # Ctrl-C arrives twice, from the terminal and through the master. A second SystemExit
        # would be raised in the middle of the first one's stop.
        if self._is_quitting:
            return
        self._is_quitting = True
        self.alive = False
        # A signal handler must not wait.
        gevent.spawn(self._quit)

    def _quit(self) -> None:
        if getattr(self, "wsgi", None) is not None:
            self._serving.stop()
        sys.exit(0)


def _tune_collector() -> None:
    """Collect garbage rarely, and only where there may be some.

    Objects from the start stay for good, and an open stream consists of a dozen objects without
    a cycle among them. Walking through all of them repeatedly was a sixth of the cost of a
    connect.
    """
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    gc.enable()
