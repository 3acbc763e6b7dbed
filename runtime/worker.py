"""The gunicorn worker that serves streams.

gunicorn's master imports this module before any worker has patched what blocks.
So nothing here may import a database's or Redis's driver, at the top of the file.
"""

from __future__ import annotations

import gc
import mmap
import signal
import socket
import ssl
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Never

import gevent
from click import ClickException
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from runtime.bounded_http import TimedBody, bound_heads, reset_on_close
from runtime.cooperation import blocking_parts
from runtime.crowd_control import RESERVED_CONNECTIONS, is_health_check, turn_away

if TYPE_CHECKING:
    from notifications.connection_stats import ConnectionStats
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

    #: Seconds that a request's body may take, and that one write of an answer may wait for
    #: its reader. nginx sends whole requests and reads whole answers; these are for clients
    #: that come without one. A head, and a TLS handshake, may take gunicorn's ``keepalive``.
    body_seconds: ClassVar[float] = 15.0
    write_seconds: ClassVar[float] = 30.0

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

    def init_process(self) -> None:
        """Begin this process's life, and bound what its requests may be."""
        bound_heads()
        super().init_process()

    def handle(self, listener: socket.socket, client: socket.socket, addr: Any) -> None:
        """Serve one connection, in a greenlet of its own.

        Plain requests for streams are answered by the short way, before gunicorn
        makes a request of the connection.
        """
        stats = self._connections
        stats.open += 1
        try:
            if self._is_crowded and not is_health_check(client):
                stats.ended["full"] += 1
                turn_away(client, addr, self._door)
                return
            client.settimeout(self.cfg.keepalive)
            if not self._door.answer(client, addr) and self._shake_hands(client):
                # gunicorn itself sees to the head's time, beside which this is long.
                client.settimeout(self.write_seconds)
                # Not GeventWorker's own, which would let the client block without end.
                AsyncWorker.handle(self, listener, client, addr)
        finally:
            stats.open -= 1

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> bool:
        """Answer one request of a connection, within deadlines for its body and the answer."""
        body = req.body
        req.body = TimedBody(body, self.body_seconds, lambda: self._give_up_body(req))
        # A stream that takes the long way has a limit of its own (prepare_socket).
        sock.settimeout(self.write_seconds)
        if self._is_crowded:
            req.force_close()
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            # Not the application's, which answers for its own errors: the client does not read.
            self._connections.ended["unread_answer"] += 1
            reset_on_close(sock)
            raise StopIteration from None
        finally:
            # gunicorn reads what is left of it, within the time of the next head.
            req.body = body

    @property
    def _is_crowded(self) -> bool:
        return self._connections.open > self.worker_connections - RESERVED_CONNECTIONS

    @property
    def _connections(self) -> ConnectionStats:
        stats: ConnectionStats = self.wsgi.extensions["connections"]
        return stats

    def _give_up_body(self, req: Any) -> None:
        self._connections.ended["slow_body"] += 1
        req.force_close()

    def _shake_hands(self, client: socket.socket) -> bool:
        """Begin TLS, where gunicorn has the certificate; return whether all is well."""
        if isinstance(client, ssl.SSLSocket):
            try:
                with gevent.Timeout(self.cfg.keepalive, TimeoutError):
                    client.do_handshake()
            except OSError as error:
                self.log.debug("TLS could not begin: %s", error)
                return False
        return True

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
