"""The gunicorn worker that serves streams.

gunicorn's master imports this module before any worker has patched what blocks.
So nothing here may import a database's or Redis's driver, at the top of the file.
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

#: Seconds between two looks at whether another process has released the lock, or
#: waits for it. Screens are dark meanwhile.
TAKEOVER_SECONDS = 0.02

#: Seconds that a worker which is replaced waits for the other. It takes about one to
#: start; on a busy machine, ten times that is a guess.
SUCCESSOR_SECONDS = 10.0

#: Seconds between two looks at whether the last requests have been answered.
LAST_REQUESTS_SECONDS = 0.02

#: Objects made and not yet released, before the youngest are looked through.
#: Python's 700 are about ten streams.
COLLECTOR_THRESHOLDS = (50_000, 20, 50)


class StreamWorker(BoundedWorker):
    """A gevent worker that starts and stops what runs beside the requests.

    The application it serves has ``serving`` in its ``extensions``.
    """

    # This module is imported before the first worker is forked.
    shared: ClassVar[SharedState] = SharedState()

    #: Set once the worker is to stop; None until it serves.
    _stopping: Event | None = None
    _is_quitting = False

    # -- start ----------------------------------------------------------------

    def patch(self) -> None:
        """Patch what blocks, without asking for plugins."""
        # gevent asks every package that is installed for plugins, once for each of the
        # modules it patches: an eighth of the start, and there are none.
        plugins: Any = events
        ask = plugins.notify_and_call_entry_points
        plugins.notify_and_call_entry_points = plugins.notify
        try:
            super().patch()
        finally:
            plugins.notify_and_call_entry_points = ask

    def load_wsgi(self) -> None:
        """Load the application, or give up with a sentence where it cannot be used."""
        # What is imported stays: looking through it for garbage is a sixth of the start.
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

        A first worker that cannot use the database or its broker gives up, and the
        master with it. Once any has served, and for one that replaces another, it
        waits: the master would end the other workers, and all of their streams.
        """
        # These bring the drivers.
        from notifications.errors import BrokerUnusable
        from waiter_service.errors import DatabaseError

        is_replacement = self.age > self.cfg.workers
        said = ""
        while True:
            pause_seconds = RETRY_SECONDS
            try:
                self._serving.start()
            except StandingBy as error:
                message, obstacle = "This worker stands by: %s", str(error)
                pause_seconds = TAKEOVER_SECONDS
            except (DatabaseError, BrokerUnusable) as error:
                if not (is_replacement or self.shared.has_served):
                    self._give_up(str(error))
                message, obstacle = "This worker waits for the broker: %s", str(error)
                if isinstance(error, DatabaseError):
                    message = "This worker waits for the database: %s"
            else:
                self.shared.note_serving()
                return
            if message != said:
                self.log.warning(message, obstacle)
                said = message
            self.notify()
            time.sleep(pause_seconds)  # gevent's: this process is patched
            if not self.alive:
                sys.exit(0)

    def _give_up(self, sentence: str) -> Never:
        """End with the exit code upon which the master ends, too."""
        # The sentence says what to do; a traceback would only bury it.
        self.log.error("The service cannot start: %s", sentence)
        sys.exit(Arbiter.WORKER_BOOT_ERROR)

    # -- end ------------------------------------------------------------------

    def _await_successor(self) -> None:
        """In a reload, go on serving until the worker that replaces this one can take over."""
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
                self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
                return
            self.notify()
            draining.join(NOTIFY_SECONDS)
            if draining.ready():
                time.sleep(LAST_REQUESTS_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop: SIGTERM asks for an end in good order."""
        super().handle_exit(sig, frame)
        if self._stopping is not None:
            self._stopping.set()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Close everything at once: SIGINT (Ctrl-C) and SIGQUIT ask for a quick end."""
        # Ctrl-C comes twice, from the terminal and through the master; a second
        # SystemExit would be raised in the middle of the first one's stop.
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
    """Look for garbage seldom, and only where there may be some.

    What start-up has made stays for good, and an open stream is made of a dozen
    objects without a cycle among them. To walk through all that again and
    again was a sixth of what a connect costs.
    """
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    gc.enable()
