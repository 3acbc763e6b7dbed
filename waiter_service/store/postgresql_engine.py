"""How SQLAlchemy reaches PostgreSQL.

Apart from ``engines``, since it brings the driver: a process that serves SQLite starts
sooner without it.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import Engine, create_engine, event, exc
from sqlalchemy.engine import URL, ExceptionContext

from waiter_service.errors import DatabaseUrlInvalid
from waiter_service.store.write_lock import BUSY_TIMEOUT_MS

LOCK_TIMEOUT_MS = BUSY_TIMEOUT_MS
CONNECT_TIMEOUT_SECONDS = 5
# What is sent unacknowledged for so long, or asked by keepalives in vain, was sent
# to nobody: longer than a failover of the network, shorter than anyone waits.
VANISHED_MS = 15_000
# A guess: a worker's greenlets hold a connection for milliseconds each. Times
# the workers, it must stay below PostgreSQL's max_connections (100).
POOL_SIZE = 10
POOL_OVERFLOW = 10
POOL_TIMEOUT_SECONDS = 10

# Seconds between two times of closing the whole pool because the server refuses what it is
# asked. Each failed change closes its own connection; a busy floor must not open all of
# them again for each.
EMPTY_POOL_SECONDS = 1.0

# What fails again and again on a connection, and may well succeed on a new one.
_ANOTHER_CONNECTION_MAY_DO = (errors.ReadOnlySqlTransaction, errors.FeatureNotSupported)


def postgresql_engine(url: URL, schema: str | None = None) -> Engine:
    """Return an engine whose connections speak UTC and give up waiting for locks.

    Every statement finds the tables in ``schema``, where one is given. What the URL's query
    says of a connection wins over our own choices, except for the time zone. With
    ``prepare_threshold=none`` it prepares no statements, which a pooler of transactions
    would look for on another connection.

    Raises:
        DatabaseUrlInvalid: the query holds what the driver does not know.
    """
    engine = create_engine(
        url.difference_update_query(["prepare_threshold", "options"]),
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        connect_args=_connect_args(url),
        execution_options={"schema_translate_map": {None: schema}} if schema else {},
    )

    @event.listens_for(engine, "checkout")
    def _look_whether_it_was_ended(connection: Any, *_: Any) -> None:
        # A server that stops or is killed hangs up, and one that vanishes is found
        # out by the keepalives above: either is there to be read, without asking.
        # SQLAlchemy's pool_pre_ping asks: a round trip for every transaction, which
        # was a seventh of what a status change took.
        try:
            # First what the server said last, then that it has hung up.
            connection.pgconn.consume_input()
            connection.pgconn.consume_input()
        except psycopg.OperationalError as error:
            # The others that are older will have been ended, too.
            raise exc.InvalidatePoolError from error

    emptied_at = float("-inf")

    @event.listens_for(engine, "handle_error")
    def _leave_a_connection_that_only_fails(context: ExceptionContext) -> None:
        # After a failover this may be the former primary. A new connection looks the
        # host's name up again, and so finds the server that has taken its place.
        # Plans that were prepared before a table was altered fail until then, too.
        nonlocal emptied_at
        if not isinstance(context.original_exception, _ANOTHER_CONNECTION_MAY_DO):
            return
        context.is_disconnect = True
        now = time.monotonic()
        context.invalidate_pool_on_disconnect = now - emptied_at >= EMPTY_POOL_SECONDS
        if context.invalidate_pool_on_disconnect:
            emptied_at = now

    return engine


def _connect_args(url: URL) -> dict[str, Any]:
    for name in url.query:
        if name != "prepare_threshold" and name not in _libpq_parameters():
            raise DatabaseUrlInvalid(
                f"DATABASE_URL holds ?{name}=, which PostgreSQL's client does not know"
            )
    args: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        # A machine that vanishes says nothing. Without these, a caller that has asked it
        # something waits for TCP to give up, a quarter of an hour. A server that
        # is frozen, and whose kernel still answers, is not found out.
        "keepalives_idle": 5,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": VANISHED_MS,
    }
    args = {name: value for name, value in args.items() if name not in url.query}
    asked = " ".join(url.normalized_query.get("options", ()))
    # Of two that set the same, PostgreSQL takes the last.
    args["options"] = f"-c lock_timeout={LOCK_TIMEOUT_MS} {asked} -c timezone=UTC"
    threshold = " ".join(url.normalized_query.get("prepare_threshold", ()))
    if threshold == "none":
        args["prepare_threshold"] = None
    elif threshold.isdecimal():
        args["prepare_threshold"] = int(threshold)
    elif threshold:
        raise DatabaseUrlInvalid(
            "DATABASE_URL holds a prepare_threshold that is neither none nor a whole number"
        )
    return args


def _libpq_parameters() -> set[str]:
    return {each.keyword.decode() for each in psycopg.pq.Conninfo.get_defaults()}
