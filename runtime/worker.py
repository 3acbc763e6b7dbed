"""The gunicorn worker that serves streams.

gunicorn's master imports this module before any worker has patched what blocks.
So nothing here may import a database's or Redis's driver, at the top of the file.
"""

from __future__ import annotations

import gc
import mmap
import signal
import socket
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Never

import gevent
from click import ClickException
from gunicorn.arbiter import Arbiter
from gunicorn.workers.ggevent import GeventWorker

from runtime.cooperation import blocking_parts

if TYPE_CHECKING:
    from notifications.stream_door import StreamDoor
    from serving import Serving

#: Seconds between two attempts to use a database that is away.
RETRY_SECONDS = 1.0

#: Objects made and not yet released, before the youngest are looked through.
#: Python's 700 are about ten streams.
COLLECTOR_THRESHOLDS = (50_000, 20, 50)


class StreamWorker(GeventWorker):
    """A gevent worker that starts and stops what runs beside the requests.

    The application it serves has ``serving`` and ``stream_door`` in its
    ``extensions``. Every connection begins in ``handle``: deadlines and limits
    of connections belong there.
    """

    # Whether any worker has ever served: one byte that the master shares with its
    # workers, since this module is imported before the first of them is forked.
    _has_served: ClassVar[mmap.mmap] = mmap.mmap(-1, 1)

    wsgi: Any
    _door: StreamDoor

    # -- start ----------------------------------------------------------------

    def load_wsgi(self) -> None:
        """Load the application, or give up with a sentence where it cannot be used."""
        try:
            super().load_wsgi()
        except ClickException as error:  # of the settings
            self._give_up(error.message)
        if blocking := blocking_parts():
            self._give_up(
                f"waiting for {' and '.join(blocking)} would block the whole worker. Import "
                "them only after gevent has patched what blocks, and leave PSYCOPG_WAIT_FUNC unset"
            )

    def run(self) -> None:
        """Start what runs beside the requests, serve until told to stop, then drain."""
        self._start_serving()
        self._door = self.wsgi.extensions["stream_door"]
        self.wsgi.extensions["stream_entrance"].trust(self.cfg.forwarded_allow_ips)
        _tune_collector()
        try:
            super().run()
        finally:
            # The streams have been sent away, which SIGTERM set off, or are now.
            self._serving.drain()

    @property
    def _serving(self) -> Serving:
        serving: Serving = self.wsgi.extensions["serving"]
        return serving

    def _start_serving(self) -> None:
        """Start to serve, and wait for a database that is away, if others serve already.

        A first worker that cannot use the database or its broker gives up, and the
        master with it. Once any has served, and for one that replaces another, it
        waits: the master would end the other workers, and all of their streams.
        """
        # These bring the drivers.
        from notifications.brokers.base import BrokerUnusable
        from waiter_service.errors import DatabaseError

        is_replacement = self.age > self.cfg.workers
        is_known = False
        while True:
            try:
                self._serving.start(is_wanted=lambda: self.alive)
            except (DatabaseError, BrokerUnusable) as error:
                if not (is_replacement or self._has_served[0]):
                    self._give_up(str(error))
                if not is_known:
                    awaited = "database" if isinstance(error, DatabaseError) else "broker"
                    self.log.warning("This worker waits for the %s: %s", awaited, error)
                    is_known = True
            else:
                self._has_served[0] = 1
                return
            self.notify()
            time.sleep(RETRY_SECONDS)  # gevent's: this process is patched
            if not self.alive:
                sys.exit(0)

    def _give_up(self, sentence: str) -> Never:
        """End with the exit code upon which the master ends, too."""
        # The sentence says what to do; a traceback would only bury it.
        self.log.error("The service cannot start: %s", sentence)
        sys.exit(Arbiter.WORKER_BOOT_ERROR)

    # -- connections ----------------------------------------------------------

    def handle(self, listener: socket.socket, client: socket.socket, addr: Any) -> None:
        """Serve one connection, in a greenlet of its own.

        Plain requests for streams are answered by the short way, before gunicorn
        makes a request of the connection.
        """
        # As long as gunicorn would wait for a head.
        client.settimeout(self.cfg.keepalive or None)
        if not self._door.answer(client, addr):
            super().handle(listener, client, addr)

    # -- end ------------------------------------------------------------------

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Close everything at once: SIGINT (Ctrl-C) and SIGQUIT ask for a quick end."""
        # Ctrl-C comes twice, from the terminal and through the master; the second
        # would raise SystemExit in the middle of the first one's stop.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
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
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
