"""SQLAlchemy's engine for PostgreSQL.

Separate from ``engines`` because it imports the driver: a process with SQLite starts
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
# After this long without acknowledged data or answered keepalives, a connection counts as
# dead: longer than a network failover takes, shorter than any caller waits.
VANISHED_MS = 15_000
# A guess: a worker's greenlets hold a connection for milliseconds each. Multiplied by
# the number of workers it must stay below PostgreSQL's max_connections (100).
POOL_SIZE = 10
POOL_OVERFLOW = 10
POOL_TIMEOUT_SECONDS = 10

# Seconds between two times of closing the whole pool because the server refuses statements.
# Each failed change closes its own connection; a busy floor must not reopen all of them
# each time.
EMPTY_POOL_SECONDS = 1.0

# Errors that persist on one connection and may not occur on a new one.
_ANOTHER_CONNECTION_MAY_DO = (errors.ReadOnlySqlTransaction, errors.FeatureNotSupported)


def postgresql_engine(url: URL, schema: str | None = None) -> Engine:
    """Return an engine whose connections use UTC and stop waiting for locks after a while.

    Every statement finds the tables in ``schema``, if one is given. Options in the URL's query
    override ours, except the time zone. With ``prepare_threshold=none`` it prepares no
    statements, which behind a pooler of transactions would be missing on other connections.

    Raises:
        DatabaseUrlInvalid: the query has an option that the driver does not know.
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
        # A server that stops or is killed closes the connection, and keepalives detect one that
        # vanishes. Either can be read without asking. SQLAlchemy's pool_pre_ping asks: a round
        # trip for every transaction, which was a seventh of the cost of a status change.
        try:
            # First the server's last message, then the end of the connection.
            connection.pgconn.consume_input()
            connection.pgconn.consume_input()
        except psycopg.OperationalError as error:
            # The other connections of that age have ended too.
            raise exc.InvalidatePoolError from error

    emptied_at = float("-inf")

    @event.listens_for(engine, "handle_error")
    def _leave_a_connection_that_only_fails(context: ExceptionContext) -> None:
        # After a failover this may be the former primary. A new connection looks up the host's
        # name again, and so finds the new primary. Plans that were prepared before a table was
        # altered also fail until then.
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
        # A machine that vanishes sends nothing. Without these settings, a caller waits until TCP
        # gives up, a quarter of an hour. They do not detect a frozen server whose kernel
        # still answers.
        "keepalives_idle": 5,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": VANISHED_MS,
    }
    args = {name: value for name, value in args.items() if name not in url.query}
    asked = " ".join(url.normalized_query.get("options", ()))
    # If two options set the same value, PostgreSQL takes the last.
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
