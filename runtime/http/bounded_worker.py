"""The gunicorn worker's connections: who is served, by which way, and for how long.

gunicorn's master imports this module, so it must import no driver (``runtime/worker.py``).
"""

from __future__ import annotations

import socket
import ssl
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.sock import ssl_context
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from runtime.http.bounded_http import TimedBody, bound_heads, reset_on_close
from runtime.http.crowd_control import RESERVED_CONNECTIONS, is_health_check, turn_away

if TYPE_CHECKING:
    from notifications.entrance.door import StreamDoor
    from runtime.metrics.connection_stats import ConnectionStats


class BoundedWorker(GeventWorker):
    """A gevent worker whose connections have deadlines and a limit.

    Every connection begins in ``handle``, and every request that the door does not
    answer in ``handle_request``. The application has ``stream_door`` (or None),
    ``stream_entrance`` and ``connections`` in its ``extensions``.
    """

    #: Seconds that a request's body may take, and that one write of an answer may wait for
    #: its reader. nginx sends whole requests and reads whole answers; these are for clients
    #: that come without one. A head, and a TLS handshake, may take gunicorn's ``keepalive``.
    body_seconds: ClassVar[float] = 15.0
    write_seconds: ClassVar[float] = 30.0

    wsgi: Any
    requests_in_flight = 0

    def init_process(self) -> None:
        """Begin this process's life, and bound what its requests may be."""
        bound_heads()
        super().init_process()

    def listen(self, listener: socket.socket) -> StreamServer:
        """Accept connections on ``listener``, each served in a greenlet of its own."""
        listener.setblocking(True)
        tls: dict[str, Any] = {"ssl_context": ssl_context(self.cfg)} if self.cfg.is_ssl else {}
        # gunicorn only asks the listener for its name. The listener may be closed before
        # its last connection is served.
        name = listener.getsockname()
        named: Any = SimpleNamespace(getsockname=lambda: name)
        server: StreamServer = StreamServer(
            listener,
            handle=partial(self.handle, named),
            spawn=Pool(self.worker_connections),
            **tls,
        )
        if self.cfg.workers > 1:
            # Otherwise the first worker to wake takes connections that idle workers could.
            server.max_accept = 1
        server.start()
        return server

    def handle(self, listener: socket.socket, client: socket.socket, addr: Any) -> None:
        """Serve one connection: at the door, if there is one, or else through gunicorn."""
        stats = self._connections
        stats.open += 1
        try:
            if self._is_crowded and not is_health_check(client):
                stats.ended["full"] += 1
                turn_away(client, addr, self.wsgi.extensions["stream_entrance"])
                return
            client.settimeout(self.cfg.keepalive)
            door = self._door
            if door is not None and door.answer(client, addr):
                return
            if self._shake_hands(client):
                # gunicorn itself limits the time for the head, which is shorter.
                client.settimeout(self.write_seconds)
                # Not GeventWorker's own, which would let the client block without end.
                AsyncWorker.handle(self, listener, client, addr)
        finally:
            stats.open -= 1

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> bool:
        """Answer one request of a connection, within deadlines for its body and the answer."""
        body = req.body
        req.body = TimedBody(body, self.body_seconds, lambda: self._give_up_body(req))
        # A stream has a limit of its own (prepare_socket).
        sock.settimeout(self.write_seconds)
        if self._is_crowded:
            req.force_close()
        self.requests_in_flight += 1
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            # Not the application's, which answers for its own errors: the client does not read.
            self._connections.ended["unread_answer"] += 1
            reset_on_close(sock)
            raise StopIteration from None
        finally:
            self.requests_in_flight -= 1
            # gunicorn reads what is left of it, within the time of the next head.
            req.body = body

    @property
    def _door(self) -> StreamDoor | None:
        door: StreamDoor | None = self.wsgi.extensions["stream_door"]
        return door

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
                self.log.debug("TLS could not begin", extra={"fields": {"error": str(error)}})
                return False
        return True
