"""One connection to Redis: opened once, closed once, with one greenlet that reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gevent
import redis
from gevent.event import Event

#: Seconds to connect, and seconds of silence after which Redis counts as away. Its
#: longest pause in good health is the fork for a snapshot: 0.1 to 0.3 s for 10 GB.
TIMEOUT_SECONDS = 1.0

#: What may go wrong between us and Redis. redis-py's own errors are no OSErrors.
CONNECTION_FAILURES = (redis.RedisError, OSError)

Word = str | bytes | int


class RedisConnection:
    """What we need of redis-py's connection; unlike that, it never reconnects by itself.

    Every method but ``close`` switches greenlets, and raises one of
    ``CONNECTION_FAILURES``.
    """

    def __init__(self, connection: Any) -> None:
        # redis-py's own, which carries no types.
        self._connection = connection
        self._is_closed = False
        self._is_opened = Event()
        self._is_opened.set()

    def open(self) -> None:
        """Connect and authenticate."""
        self._is_opened.clear()
        try:
            self._connection.connect()
        finally:
            self._is_opened.set()

    def close(self) -> None:
        """Close it; greenlets that read or write get an error. Idempotent."""
        self._is_closed = True
        self._connection.disconnect()

    def send(self, commands: Iterable[Sequence[Word]]) -> None:
        """Send ``commands`` together."""
        self._check_open()
        packed = b"".join(self._connection.pack_commands(commands))
        self._connection.send_packed_command([packed], check_health=False)

    def receive(self) -> Any:
        """Return the next answer within ``TIMEOUT_SECONDS``; raised if it is an error."""
        self._check_open()
        return self._connection.read_response()

    def receive_some_time(self) -> Any:
        """Return what comes next, without a timeout."""
        self._check_open()
        return self._connection.read_response(timeout=None, push_request=True)

    def kill(self, owner: gevent.Greenlet[..., Any]) -> None:
        """End ``owner``, the greenlet that uses this connection, which it then closes."""
        # If the greenlet is killed while it connects, redis-py leaves the socket open.
        self._is_opened.wait(TIMEOUT_SECONDS)
        owner.kill()

    def _check_open(self) -> None:
        if self._is_closed:
            # redis-py would connect again, and we would not know.
            raise redis.ConnectionError("the connection is closed")


class RedisConnector:
    """Makes connections that are not open yet; ``name`` shows in Redis's CLIENT LIST."""

    def __init__(self, url: str, name: str) -> None:
        # The URL may override any of these. RESP2, since redis-py formats each message
        # that RESP3 pushes for its debug log.
        self._pool = redis.ConnectionPool.from_url(
            url,
            protocol=2,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            client_name=name,
        )

    def __call__(self) -> RedisConnection:
        # Not taken out of the pool, which would keep it: each of ours has one owner, and
        # a broken one is thrown away. The pool only parses the URL.
        return RedisConnection(self._pool.connection_class(**self._pool.connection_kwargs))
