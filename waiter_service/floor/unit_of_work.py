"""One change on the floor: the locks it takes, and the rows it writes."""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import cached_property
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, String, Table, bindparam, insert, select
from sqlalchemy.orm import Session

from waiter_service.actors import Actor
from waiter_service.changes import Change
from waiter_service.clock import Clock
from waiter_service.errors import NotPermitted, SessionClosedError
from waiter_service.outbox.outbox import Outbox
from waiter_service.outbox.rows import Entry
from waiter_service.rules import HouseRules
from waiter_service.store.models import AuditRow, OfferRow, SessionRow, WaiterRow

# On the table itself: the row is never read back, so the ORM need not know it.
_ADD_AUDIT = insert(cast("Table", AuditRow.__table__))


#: The parameter for the id by which a session is looked up.
WANTED = bindparam("wanted", type_=String)


def session_lock(which: ColumnElement[bool]) -> Select[SessionRow]:
    """Return the statement that locks the session for which ``which`` holds, given ``WANTED``.

    Built once for each kind of lookup: building it for every change cost more than
    running it.
    """
    # Not FOR UPDATE: the id never changes, and only this service inserts rows that refer
    # to it.
    return select(SessionRow).where(which).with_for_update(key_share=True)


class UnitOfWork:
    """Everything that one actor changes in one transaction.

    Every change in a session first locks the session's row. So the changes of a session
    come one after another, with their versions, their outbox rows and their times in the
    same order. The waiter that a change names holds the session at that moment, even while
    a transfer is running.
    """

    def __init__(
        self,
        orm: Session,
        *,
        actor: Actor,
        clock: Clock,
        rules: HouseRules,
        outbox: Outbox,
    ) -> None:
        self.orm = orm
        self.actor = actor
        self.rules = rules
        self.changes: list[Change] = []
        self.claimed: list[Entry] = []
        self._clock = clock
        self._outbox = outbox

    @cached_property
    def id(self) -> str:
        """An id that no other unit of work has."""
        return uuid.uuid4().hex

    @cached_property
    def now(self) -> datetime:
        """The one moment at which all of it happens. Ask for it only after the lock is held."""
        return self._clock()

    def lock_session(self, lock: Select[SessionRow], wanted: str) -> SessionRow | None:
        """Lock the one session that ``lock`` finds for ``wanted``, and return it."""
        return self.orm.scalar(lock, {"wanted": wanted})

    def may_act_in(self, session: SessionRow) -> bool:
        """Return whether the actor may act in ``session``."""
        return self.actor.may_act_in(
            session_id=session.id, waiter_id=session.waiter_id, venue_id=session.venue_id
        )

    def require_permission(self, session: SessionRow, thing: str, thing_id: str) -> None:
        """Raise ``NotPermitted`` unless the actor may act in ``session``."""
        if not self.may_act_in(session):
            raise NotPermitted(thing, thing_id, self.actor)

    def require_open(self, session: SessionRow) -> None:
        """Raise ``SessionClosedError`` if the session is closed."""
        if session.closed_at is not None:
            raise SessionClosedError(session.id)

    def facts(self, session: SessionRow, *, version: int, reason: str | None) -> dict[str, Any]:
        """Return the fields that every change in a session has."""
        return {
            "session_id": session.id,
            "waiter_id": session.waiter_id,
            "table_number": session.table_number,
            **self.facts_of(session, version=version, reason=reason),
        }

    def facts_of(
        self,
        thing: SessionRow | WaiterRow | OfferRow,
        *,
        version: int,
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Return the fields that every change has, of whatever."""
        return {
            "id": uuid.uuid4().hex,
            "venue_id": thing.venue_id,
            "version": version,
            "actor": self.actor,
            "reason": reason,
            "occurred_at": self.now,
        }

    def record(
        self,
        change: Change,
        *,
        subject: tuple[str, str],
        from_value: str | None,
        to_value: str | None,
    ) -> None:
        """Write the audit row and the outbox row of ``change``, about ``subject`` (kind, id)."""
        self.orm.connection().execute(
            _ADD_AUDIT,
            {
                "occurred_at": change.occurred_at,
                "actor_kind": change.actor.kind.value,
                "actor_id": change.actor.id,
                "action": change.KIND,
                "subject_kind": subject[0],
                "subject_id": subject[1],
                "venue_id": change.venue_id,
                "session_id": change.session_or_none or "",
                "from_value": from_value,
                "to_value": to_value,
                "version": change.version,
                "reason": change.reason,
            },
        )
        entry = self._outbox.add(self.orm, change, self.now)
        self.changes.append(change)
        if entry is not None:
            self.claimed.append(entry)
