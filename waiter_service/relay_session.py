"""Knowing, on PostgreSQL, whose claims on the outbox are those of the dead."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, Engine, exc, select
from sqlalchemy.orm import Session

from waiter_service import claims

log = logging.getLogger(__name__)


class RelaySession:
    """A database session whose advisory lock says that ``claimant`` lives.

    PostgreSQL ends a session with its connection, and the lock with it, on
    whichever machine the process is gone. So whoever can have a claimant's
    lock knows that it is dead, or has lost its connection. The latter may still
    be announcing, and for a moment two do: harmless, since each keeps a session's
    order, and what is announced has a key. Without all this, a session waited
    for the dead one's lease.

    Behind a pooler that shares sessions (PgBouncer in transaction mode) a lock
    may outlive its claimant; then the lease decides.
    """

    def __init__(self, engine: Engine, claimant: str) -> None:
        self._engine = engine
        self._claimant = claimant
        self._connection: Connection | None = None

    def join(self) -> bool:
        """Hold the lock, anew if its session was lost; False where the database does not let us.

        Then leases hold. Joining again is harmless. Switches greenlets.
        """
        try:
            self._keep_locked()
        except (exc.DBAPIError, exc.TimeoutError) as error:
            why = getattr(error, "orig", None) or error
            log.warning("others may take our claims for a dead one's: %s", why)
            self._hang_up()
            return False
        return True

    def give_back_of_the_dead(self, orm: Session) -> None:
        """End the claims of those whose lock nobody holds; whoever claims has joined before."""
        claims.give_back_of_the_dead(orm)

    def leave(self) -> None:
        """Give the lock up, after the last claim."""
        self._hang_up()

    def _keep_locked(self) -> None:
        if self._connection is not None:
            self._connection.execute(select(1))
            return
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        # The pool's connections are for transactions; this one is ours alone.
        connection.detach()
        self._connection = connection
        connection.execute(claims.lock_of(self._claimant))

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
