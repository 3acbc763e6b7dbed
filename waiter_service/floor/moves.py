"""Moving a request or an order to another status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy import Select, select

from waiter_service import inputs
from waiter_service.actors import Actor
from waiter_service.errors import IllegalTransition, NotFound, VersionConflict
from waiter_service.floor.unit_of_work import WANTED, UnitOfWork, session_lock
from waiter_service.statuses import OrderStatus, RequestStatus, S, allowed_moves
from waiter_service.store.models import OrderRow, RequestRow, SessionRow, TicketColumns

T = TypeVar("T", bound=TicketColumns)

_NEW = frozenset({RequestStatus.NEW.value})
# Cancelled and Rejected end it before any staff member took it on.
_NOT_TAKEN_ON = _NEW | {RequestStatus.CANCELLED.value, OrderStatus.REJECTED.value}
_COMPLETED = frozenset({RequestStatus.COMPLETED.value, OrderStatus.COMPLETE.value})
_UNDERWAY = frozenset(
    {
        RequestStatus.NEW.value,
        RequestStatus.ACKNOWLEDGED.value,
        RequestStatus.IN_PROGRESS.value,
        RequestStatus.ON_HOLD.value,
    }
)
_FINAL = frozenset(
    status.value for each in (RequestStatus, OrderStatus) for status in each if status.is_final
)

_LOCKS: Mapping[type[TicketColumns], Select[SessionRow]] = {
    row_type: session_lock(
        SessionRow.id == select(row_type.session_id).where(row_type.id == WANTED).scalar_subquery()
    )
    for row_type in (RequestRow, OrderRow)
}


def is_move(
    current: S, requested: S, *, version: int, expected_version: int | None, actor: Actor
) -> bool:
    """Return whether to move it: ``False`` if it already has that status.

    The version is checked first. When two waiters press the same button at once, each wants to
    be the one who took it, so the second must get the conflict.

    Raises:
        VersionConflict: it changed after the actor saw it.
        IllegalTransition: this actor may not make that move.
    """
    allowed = allowed_moves(current, actor.kind)
    if expected_version is not None and expected_version != version:
        raise VersionConflict(
            expected=expected_version,
            actual=version,
            current=current.value,
            requested=requested.value,
            allowed=tuple(status.value for status in allowed),
        )
    if requested is current:
        return False
    if requested not in allowed:
        raise IllegalTransition(
            current=current.value,
            requested=requested.value,
            allowed=tuple(status.value for status in allowed),
            version=version,
        )
    return True


@dataclass(frozen=True, slots=True)
class Moved(Generic[T, S]):
    """A request or an order after the attempt; ``old`` is None if it already had that status."""

    session: SessionRow
    ticket: T
    old: S | None


def move(
    work: UnitOfWork,
    row_type: type[T],
    ticket_id: str,
    requested: S,
    *,
    unknown: type[NotFound],
    expected_version: int | None,
) -> Moved[T, S]:
    """Move the request or order ``ticket_id`` to ``requested``, under its session's lock.

    Raises:
        Missing: it does not exist (``unknown``), or the actor may not act on it.
        VersionConflict, IllegalTransition: as for ``is_move``.
    """
    expected_version = inputs.expected_version(expected_version)
    if not inputs.is_identifier(ticket_id):
        raise unknown(ticket_id)
    session = work.lock_session(_LOCKS[row_type], ticket_id)
    if session is None:
        raise unknown(ticket_id)
    if not (row_type is OrderRow and work.actor.may_cook_in(session.venue_id)):
        work.require_permission(session, unknown.thing, ticket_id)
    if work.actor.is_guest:
        work.require_open(session)
    # Read after the lock, in a separate statement. Only then is it certain to be the
    # state that the previous holder of the lock committed.
    ticket = work.orm.get_one(row_type, ticket_id)
    current = type(requested)(ticket.status)
    if not is_move(
        current,
        requested,
        version=ticket.version,
        expected_version=expected_version,
        actor=work.actor,
    ):
        return Moved(session, ticket, None)
    apply_move(ticket, requested.value, actor=work.actor, now=work.now)
    return Moved(session, ticket, current)


def apply_move(ticket: TicketColumns, requested: str, *, actor: Actor, now: datetime) -> None:
    """Give ``ticket`` its new status, version and times.

    An undo also clears the times: a request that is New again has not been acknowledged.
    """
    ticket.status = requested
    ticket.version += 1
    ticket.updated_at = now
    if requested in _NEW:
        ticket.acknowledged_at = ticket.acknowledged_by = None
    elif requested not in _NOT_TAKEN_ON and ticket.acknowledged_at is None:
        ticket.acknowledged_at, ticket.acknowledged_by = now, actor.id
    if requested in _COMPLETED and ticket.completed_at is None:
        ticket.completed_at = now
    elif requested in _UNDERWAY:
        ticket.completed_at = None
    if requested in _FINAL:
        ticket.finished_at = now
