"""Who announces which rows of the outbox.

A session's rows are claimed by one process at a time, oldest first. On
PostgreSQL, whoever claims locks the session's oldest row meanwhile (``FOR
UPDATE SKIP LOCKED``), so that two claims of one session cannot overlap and
those of different sessions do not wait for each other; on SQLite writers come
one at a time anyway.

A change that could not be announced is *paused*: it is claimed by nobody, until
it is worth another try, and its session waits with it.

Claims of the dead are ended before their lease: ``relay_lock.py`` and
``relay_session.py`` know whose they are.

Functions here run inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Exists,
    Select,
    Update,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from waiter_service.models import OutboxRow
from waiter_service.outbox import LEASE, Entry

# How long a change rests that could not be announced for the first, the second
# ... time, and every time after the last. Twice at once, for a receiver that only
# stumbled; then ever more rarely, since one that nobody can take, or even read,
# would be tried and logged four times a second for ever. Half a minute is how
# long a table may stand still once the cause is mended.
PAUSES_SECONDS = (0, 0, 2, 4, 8, 16, 30)

# Tells our advisory locks from those that others may have in the same database.
_LOCKS_ARE_OURS = 0x0DDE0D0B0C

# The table under the names it has in one statement. Made once: SQLAlchemy takes
# milliseconds to describe an alias, and a floor asks several times a second.
_head, _older, _of_kind, _claimed, _waiting = (aliased(OutboxRow) for _ in range(5))


def claim(
    orm: Session,
    *,
    claimant: str,
    now: datetime,
    kinds: Collection[str],
    limit: int,
    only_sessions: Collection[str] | None = None,
    without_sessions: Collection[str] = (),
    retry: bool = True,
) -> list[Entry]:
    """Claim up to ``limit`` rows that nobody else is announcing, oldest first.

    Args:
        kinds: those somebody listens to here; others stay for other processes.
        only_sessions: rows of these alone.
        without_sessions: rows of any but these.
        retry: also sessions whose oldest row has failed before.
    """
    heads = (
        select(_head.session_id)
        .where(
            # Grouped, not "none is older": PostgreSQL knows nothing of a backlog that is
            # new, and would compare each row of a session with each: 5 s for 3,000 rows.
            _head.sequence.in_(select(func.min(_older.sequence)).group_by(_older.session_id)),
            _has_kind(_head.session_id, kinds),
            # Of a session that is claimed or paused, the oldest row is.
            or_(_head.claimed_until.is_(None), _head.claimed_until <= now),
        )
        .order_by(_head.sequence)
        .limit(limit)
        .with_for_update(skip_locked=True, of=_head)
    )
    if only_sessions is not None:
        heads = heads.where(_head.session_id.in_(only_sessions))
    if without_sessions:
        heads = heads.where(_head.session_id.not_in(without_sessions))
    if not retry:
        heads = heads.where(_head.attempts == 0)
    sessions = orm.scalars(heads).all()
    if not sessions:
        return []

    # The claims are looked at again: the statement above may have seen the
    # table as it was before the lock it got was given up by another claimant.
    free = (
        select(_waiting.sequence)
        .where(
            _waiting.session_id.in_(sessions),
            _waiting.kind.in_(kinds),
            _waiting.session_id.not_in(
                select(_claimed.session_id).where(_claimed.claimed_until > now)
            ),
        )
        .order_by(_waiting.sequence)
        .limit(limit)
    )
    until = now + LEASE
    claimed = orm.execute(
        update(OutboxRow)
        .where(OutboxRow.sequence.in_(free))
        .values(claimed_by=claimant, claimed_until=until)
        .returning(
            OutboxRow.sequence,
            OutboxRow.id,
            OutboxRow.session_id,
            OutboxRow.kind,
            OutboxRow.payload,
            OutboxRow.attempts,
        )
        .execution_options(synchronize_session=False)
    )
    entries = [
        Entry(row.sequence, row.id, row.session_id, row.kind, row.payload, until, row.attempts)
        for row in claimed
    ]
    # RETURNING promises no order.
    return sorted(entries, key=lambda entry: entry.sequence)


def _has_kind(session_id: InstrumentedAttribute[str], kinds: Collection[str]) -> Exists:
    """Tell whether a session has a row of one of these kinds."""
    return exists().where(_of_kind.session_id == session_id, _of_kind.kind.in_(kinds))


def give_back(orm: Session, *, claimant: str, entries: Collection[Entry]) -> None:
    """End the claim on ``entries``."""
    orm.execute(_of(claimant, entries).values(claimed_by=None, claimed_until=None))


def pause(orm: Session, *, claimant: str, failed: Entry, now: datetime) -> None:
    """End the claim on the one that ``failed``, and let nobody try again too soon."""
    attempts = failed.attempts + 1
    seconds = PAUSES_SECONDS[min(attempts, len(PAUSES_SECONDS)) - 1]
    orm.execute(
        _of(claimant, [failed]).values(
            # Nobody's, so that it outlives the one who tried.
            claimed_by=None,
            claimed_until=now + timedelta(seconds=seconds),
            attempts=attempts,
        )
    )


def _of(claimant: str, entries: Collection[Entry]) -> Update:
    return (
        update(OutboxRow)
        .where(
            OutboxRow.sequence.in_([entry.sequence for entry in entries]),
            # Not one that was overdue, and is by now claimed by another.
            OutboxRow.claimed_by == claimant,
        )
        .execution_options(synchronize_session=False)
    )


def give_back_all(orm: Session, *, claimant: str) -> None:
    """End every claim of ``claimant``."""
    orm.execute(
        update(OutboxRow)
        .where(OutboxRow.claimed_by == claimant)
        .values(claimed_by=None, claimed_until=None)
        .execution_options(synchronize_session=False)
    )


def claimants(orm: Session) -> list[str]:
    """Return who has claims, dead or alive."""
    names = orm.scalars(select(OutboxRow.claimed_by).distinct())
    return [name for name in names if name is not None]


def lock_of(claimant: str) -> Select[Any]:
    """Return what locks ``claimant``'s name for the session that asks, on PostgreSQL."""
    return select(func.pg_advisory_lock(_lock_number(literal(claimant))))


def give_back_of_the_dead(orm: Session) -> None:
    """End the claims of those whose lock nobody holds, on PostgreSQL."""
    # In steps: PostgreSQL might try the locks of more rows than are asked for.
    named = (
        select(OutboxRow.claimed_by)
        .where(OutboxRow.claimed_by.is_not(None))
        .distinct()
        .cte("claimants")
        .prefix_with("MATERIALIZED")
    )
    dead = select(named.c.claimed_by).where(
        func.pg_try_advisory_xact_lock(_lock_number(named.c.claimed_by))
    )
    orm.execute(
        update(OutboxRow)
        .where(OutboxRow.claimed_by.in_(dead))
        .values(claimed_by=None, claimed_until=None)
        .execution_options(synchronize_session=False)
    )


def _lock_number(claimant: ColumnElement[str]) -> ColumnElement[int]:
    # Advisory locks are numbers, shared by everybody in the database.
    return func.hashtextextended(claimant, _LOCKS_ARE_OURS)
