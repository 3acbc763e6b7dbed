"""Shifts: who is there to be given tables."""

from __future__ import annotations

from sqlalchemy import update

from waiter_service import inputs
from waiter_service.actors import ActorKind
from waiter_service.changes import ShiftChange
from waiter_service.errors import NotPermitted, TablesInHand, ValidationError
from waiter_service.floor import offers, transfers, waiters
from waiter_service.floor.unit_of_work import UnitOfWork
from waiter_service.store.models import VenueRow, WaiterRow
from waiter_service.views import SessionView, ShiftUpdate, WaiterView

_ON, _OFF = "on_shift", "off_shift"


def start(work: UnitOfWork, waiter_id: str) -> ShiftUpdate:
    """Start a waiter's shift. The first one of a venue makes shifts count there."""
    _require_permission(work, waiter_id)
    waiter = waiters.hold(work, [waiter_id], exclusively=True)[waiter_id]
    _require_venue(work, waiter)
    if waiter.on_shift_since is not None:
        return ShiftUpdate(False, WaiterView.of(waiter))
    waiter.on_shift_since = work.now
    work.orm.execute(
        update(VenueRow)
        .where(VenueRow.id == waiter.venue_id, VenueRow.shifts_since.is_(None))
        .values(shifts_since=work.now)
    )
    _record(work, waiter, reason=None)
    return ShiftUpdate(True, WaiterView.of(waiter))


def end(
    work: UnitOfWork, waiter_id: str, *, to_waiter_id: str | None, reason: str | None
) -> ShiftUpdate:
    """End a waiter's shift, and hand the tables in hand to ``to_waiter_id``, if one is named."""
    reason = inputs.optional_text("reason", reason)
    _require_permission(work, waiter_id)
    if to_waiter_id == waiter_id:
        raise ValidationError("to_waiter_id", "must be another waiter")
    # Held exclusively, so that no table comes to the waiter after the look at their floor.
    if to_waiter_id is None:
        heir, waiter = None, waiters.hold(work, [waiter_id], exclusively=True)[waiter_id]
    else:
        heir, held = transfers.hold_waiters(work, to_waiter_id, waiter_id, exclusively=True)
        assert held is not None, "it was named"
        waiter = held
    _require_venue(work, waiter)
    if waiter.on_shift_since is None:
        return ShiftUpdate(False, WaiterView.of(waiter))
    sessions = transfers.lock_floor(work, waiter_id)
    moved: tuple[SessionView, ...] = ()
    if heir is not None:
        waiters.require_on_shift(work, [heir])
        transfers.require_few(sessions, "to_waiter_id")
        moved = transfers.hand_over(work, sessions, heir.id, reason=reason)
    elif sessions:
        raise TablesInHand(waiter_id, {each.id: each.table_number for each in sessions})
    offers.withdraw_all_of(work, waiter)
    waiter.on_shift_since = None
    _record(work, waiter, reason=reason)
    return ShiftUpdate(True, WaiterView.of(waiter), moved)


def _require_permission(work: UnitOfWork, waiter_id: str) -> None:
    """Waiters start and end their own shifts; managers those of their venue."""
    actor = work.actor
    if not actor.is_floor_staff or (actor.kind is ActorKind.WAITER and actor.id != waiter_id):
        raise NotPermitted("waiter", waiter_id, actor)


def _require_venue(work: UnitOfWork, waiter: WaiterRow) -> None:
    if work.actor.is_in_charge and not work.actor.covers(waiter.venue_id):
        raise NotPermitted("waiter", waiter.id, work.actor)


def _record(work: UnitOfWork, waiter: WaiterRow, *, reason: str | None) -> None:
    waiter.version += 1
    is_on_shift = waiter.on_shift_since is not None
    work.record(
        ShiftChange(
            **work.facts_of(waiter, version=waiter.version, reason=reason),
            waiter_id=waiter.id,
            is_on_shift=is_on_shift,
        ),
        subject=("waiter", waiter.id),
        from_value=_OFF if is_on_shift else _ON,
        to_value=_ON if is_on_shift else _OFF,
    )
