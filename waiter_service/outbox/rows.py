"""The rows of the outbox: changes that are committed but not yet announced.

A change and its row commit together, so neither exists without the other. A process
*claims* rows before it announces them. No other process touches them until it removes
them, gives them back, or shows no sign of life. No transaction stays open while receivers
run.

Two rules keep the changes of a session in order, whichever process announces them:

1. Rows are inserted under the lock of the session's row, so their ``sequence`` is the
   order in which they were committed.
2. One process at a time claims the rows of a session, oldest first; see ``claims.py``.

Functions here run inside the caller's transaction. ``outbox.py`` uses them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    Connection,
    String,
    Table,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    null,
    select,
)
from sqlalchemy.orm import Session

from waiter_service.actors import MAIN_VENUE
from waiter_service.changes import Change, to_payload
from waiter_service.store.models import OutboxRow, VenueRow


@dataclass(slots=True)
class Entry:
    """A claimed row.

    ``held_at`` is when it was claimed or renewed, on the claimant's monotonic clock.
    ``attempts`` counts the failed attempts to announce it.
    """

    sequence: int
    id: str
    venue_id: str
    subject_id: str
    kind: str
    payload: dict[str, Any]
    held_at: float
    attempts: int = 0


_LOOK = select(~exists().select_from(OutboxRow), exists().where(VenueRow.id != MAIN_VENUE))

# The two statements of every status change, on the table itself. Built by the ORM each
# time, they were half of what a change costs.
_OUTBOX = cast("Table", OutboxRow.__table__)
_THERE = _OUTBOX.alias()
_IS_FIRST = ~exists().where(_THERE.c.subject_id == bindparam("of_subject"))
_ADD = (
    insert(_OUTBOX)
    .values(
        claimed_by=case((_IS_FIRST, bindparam("claimant", type_=String)), else_=null()),
    )
    .returning(_OUTBOX.c.sequence, _OUTBOX.c.claimed_by)
)
_ROWS: BindParameter[list[int]] = bindparam("rows", expanding=True)
_REMOVE = delete(_OUTBOX).where(_OUTBOX.c.sequence.in_(_ROWS))
_REMOVE_LAST = _REMOVE.where(
    ~exists().where(_THERE.c.subject_id == _OUTBOX.c.subject_id, _THERE.c.sequence.not_in(_ROWS))
).returning(_OUTBOX.c.subject_id)


def add(
    orm: Session, change: Change, *, claimant: str | None, now: datetime, held_at: float
) -> Entry | None:
    """Insert ``change``; return its row if ``claimant`` claimed it with the insertion.

    It is claimed only if no other row of its session is pending; otherwise it would overtake
    them. The caller holds the session's lock, so no row is inserted in between.
    """
    payload = to_payload(change)
    row = (
        orm.connection()
        .execute(
            _ADD,
            {
                "id": change.id,
                "venue_id": change.venue_id,
                "subject_id": change.subject_id,
                "kind": change.KIND,
                "payload": payload,
                "created_at": now,
                "renewals": 0,
                "attempts": 0,
                "of_subject": change.subject_id,
                "claimant": claimant,
            },
        )
        .one()
    )
    if row.claimed_by is None:
        return None
    return Entry(
        row.sequence,
        change.id,
        change.venue_id,
        change.subject_id,
        change.KIND,
        payload,
        held_at,
    )


def remove(connection: Connection, entries: Collection[Entry]) -> set[str]:
    """Remove announced rows; return the sessions that have no rows left.

    One statement does both, unless a session has newer rows. The statements may be committed
    separately: a row that stays behind is announced again, under the same key.
    """
    rows = {"rows": [entry.sequence for entry in entries]}
    emptied = connection.execute(_REMOVE_LAST, rows).scalars().all()
    if len(emptied) < len(entries):
        connection.execute(_REMOVE, rows)
    return set(emptied)


def look(orm: Session) -> tuple[bool, bool]:
    """Return whether the outbox is empty, as it nearly always is, and whether venues were added."""
    is_empty, has_venues = orm.execute(_LOOK).one()
    return bool(is_empty), bool(has_venues)


def pending_count(orm: Session) -> int:
    """Return how many changes are not yet announced."""
    return orm.scalar(select(func.count()).select_from(OutboxRow)) or 0


def oldest_created_at(orm: Session) -> datetime | None:
    """Return when the oldest of them was made."""
    return orm.scalar(select(func.min(OutboxRow.created_at)))
