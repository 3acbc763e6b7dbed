"""Claims: which process announces which rows of the outbox.

One process at a time claims the rows of a session, oldest first. On PostgreSQL the
claiming statement locks the session's oldest row (``FOR UPDATE SKIP LOCKED``). So two
claims of one session cannot overlap, and claims of different sessions do not wait
for each other. On SQLite only one writer runs at a time anyway.

A claim ends when its row is removed or given back, or when other processes see that it has
not changed for too long. The row of a change that could not be announced is given back and
paused. ``standstill.py`` measures both times.

Functions here run inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import (
    Connection,
    Exists,
    Update,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from waiter_service.outbox.rows import Entry
from waiter_service.outbox.standstill import UNPAUSED_ATTEMPTS, HeldRow
from waiter_service.store.models import OutboxRow

# The table's names within one statement. Built once: SQLAlchemy takes milliseconds to
# describe an alias, and each process runs the statement several times a second.
_head, _older, _of_kind, _claimed, _waiting = (aliased(OutboxRow) for _ in range(5))


def claim(
    orm: Session,
    *,
    claimant: str,
    held_at: float,
    kinds: Collection[str],
    limit: int,
    only_subjects: Collection[str] | None = None,
    without_subjects: Collection[str] = (),
    without_venues: Collection[str] = (),
    retry: bool = True,
    due: Collection[int] = (),
) -> list[Entry]:
    """Claim up to ``limit`` rows that no process has claimed, oldest first.

    Args:
        held_at: the current time on the claimant's monotonic clock.
        kinds: kinds with a receiver here; the others stay for other processes.
        only_subjects: only rows of these sessions.
        without_subjects: no rows of these sessions,
        without_venues: and none of these venues.
        retry: also sessions whose oldest row has failed before,
        due: and these rows, which failed often and whose pause is over.
    """
    heads = (
        select(_head.subject_id)
        .where(
            # GROUP BY, not NOT EXISTS: without statistics on a new backlog, PostgreSQL would
            # compare each row of a session with every other: 5 s for 3,000 rows.
            _head.sequence.in_(select(func.min(_older.sequence)).group_by(_older.subject_id)),
            _has_kind(_head.subject_id, kinds),
            # In a claimed session, the oldest row is claimed.
            _head.claimed_by.is_(None),
        )
        .order_by(_head.sequence)
        .limit(limit)
        .with_for_update(skip_locked=True, of=_head)
    )
    if only_subjects is not None:
        heads = heads.where(_head.subject_id.in_(only_subjects))
    if without_subjects:
        heads = heads.where(_head.subject_id.not_in(without_subjects))
    if without_venues:
        heads = heads.where(_head.venue_id.not_in(without_venues))
    if not retry:
        heads = heads.where(_head.attempts == 0)
    elif due:
        heads = heads.where(or_(_head.attempts <= UNPAUSED_ATTEMPTS, _head.sequence.in_(due)))
    else:
        heads = heads.where(_head.attempts <= UNPAUSED_ATTEMPTS)
    sessions = orm.scalars(heads).all()
    if not sessions:
        return []

    # The claims are checked again: the statement above may have seen the table
    # as it was before another claimant released the lock that we got.
    free = (
        select(_waiting.sequence)
        .where(
            _waiting.subject_id.in_(sessions),
            _waiting.kind.in_(kinds),
            _waiting.subject_id.not_in(
                select(_claimed.subject_id).where(_claimed.claimed_by.is_not(None))
            ),
        )
        .order_by(_waiting.sequence)
        .limit(limit)
    )
    claimed = orm.execute(
        update(OutboxRow)
        .where(OutboxRow.sequence.in_(free))
        .values(claimed_by=claimant)
        .returning(
            OutboxRow.sequence,
            OutboxRow.id,
            OutboxRow.venue_id,
            OutboxRow.subject_id,
            OutboxRow.kind,
            OutboxRow.payload,
            OutboxRow.attempts,
        )
        .execution_options(synchronize_session=False)
    )
    entries = [
        Entry(
            row.sequence,
            row.id,
            row.venue_id,
            row.subject_id,
            row.kind,
            row.payload,
            held_at,
            row.attempts,
        )
        for row in claimed
    ]
    # RETURNING has no defined order.
    return sorted(entries, key=lambda entry: entry.sequence)


def _has_kind(subject_id: InstrumentedAttribute[str], kinds: Collection[str]) -> Exists:
    """Return the condition that a session has a row of one of these kinds."""
    return exists().where(_of_kind.subject_id == subject_id, _of_kind.kind.in_(kinds))


def renew(
    connection: Connection, *, claimant: str, entries: Collection[Entry], held_at: float
) -> list[Entry]:
    """Renew the claims of ``claimant`` on ``entries``; return the entries that it still holds."""
    renewed = _of(claimant, [entry.sequence for entry in entries]).values(
        renewals=OutboxRow.renewals + 1
    )
    held = set(connection.execute(renewed.returning(OutboxRow.sequence)).scalars())
    for entry in entries:
        entry.held_at = held_at
    return [entry for entry in entries if entry.sequence in held]


def give_back(orm: Session, *, claimant: str, sequences: Collection[int]) -> None:
    """End the claim of ``claimant`` on these rows, unless another has claimed them since."""
    orm.execute(_of(claimant, sequences).values(claimed_by=None))


def pause(orm: Session, *, claimant: str, failed: Entry) -> None:
    """End the claim on the row that ``failed``, and store how often it failed."""
    orm.execute(
        _of(claimant, [failed.sequence]).values(
            claimed_by=None, renewals=0, attempts=failed.attempts
        )
    )


def _of(claimant: str, sequences: Collection[int]) -> Update:
    return (
        update(OutboxRow)
        .where(OutboxRow.sequence.in_(sequences), OutboxRow.claimed_by == claimant)
        .execution_options(synchronize_session=False)
    )


def give_back_all(orm: Session, *, claimant: str | None = None) -> None:
    """End every claim of ``claimant``, or of all claimants."""
    claims = update(OutboxRow).where(
        OutboxRow.claimed_by == claimant if claimant else OutboxRow.claimed_by.is_not(None)
    )
    orm.execute(claims.values(claimed_by=None).execution_options(synchronize_session=False))


_HELD = select(
    OutboxRow.sequence, OutboxRow.claimed_by, OutboxRow.renewals, OutboxRow.attempts
).where(or_(OutboxRow.claimed_by.is_not(None), OutboxRow.attempts > UNPAUSED_ATTEMPTS))


def held(orm: Session) -> list[HeldRow]:
    """Return the rows that are claimed or paused."""
    return [HeldRow(*row) for row in orm.execute(_HELD)]
