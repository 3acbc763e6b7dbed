"""Offers: handing sessions over once the other waiter has agreed.

Locks are taken in one order: waiters, then sessions, then offers. What an offer says never
changes; only its end is written.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from waiter_service import inputs
from waiter_service.actors import Actor, ActorKind
from waiter_service.changes import HandoverOffered, HandoverSettled
from waiter_service.errors import (
    NothingToOffer,
    NotPermitted,
    OfferSettled,
    SessionsOffered,
    TransferRefused,
    UnknownOffer,
    ValidationError,
)
from waiter_service.floor import transfers, waiters
from waiter_service.floor.sessions import unfinished_orders
from waiter_service.floor.unit_of_work import UnitOfWork
from waiter_service.offer_outcome import OfferOutcome
from waiter_service.store.models import OfferRow, SessionRow, WaiterRow
from waiter_service.views import OfferUpdate, OfferView

#: Offers that one look for expired ones settles; the next look is a second later.
EXPIRED_AT_ONCE = 100

_IS_OPEN = OfferRow.settled_at.is_(None)


def offer(
    work: UnitOfWork,
    *,
    to_waiter_id: str,
    from_waiter_id: str | None,
    session_ids: Sequence[str] | None,
) -> OfferUpdate:
    """Offer sessions of one waiter to another; none of them moves yet."""
    wanted = transfers.wanted_ids(session_ids)
    transfers.require_may_transfer(work, to_waiter_id, from_waiter_id)
    receiver, giver = transfers.hold_waiters(
        work, to_waiter_id, from_waiter_id or _only_holder(work, wanted)
    )
    assert giver is not None, "it is the actor, or named, or found"
    if giver.id == receiver.id:
        raise ValidationError("to_waiter_id", "must be another waiter")
    waiters.require_on_shift(work, [receiver])
    if wanted is None:
        sessions = transfers.lock_floor(work, giver.id)
        if not sessions:
            raise NothingToOffer(giver.id)
        transfers.require_few(sessions, "session_ids")
        wanted = [session.id for session in sessions]
    else:
        sessions = transfers.lock_sessions(work, SessionRow.id.in_(wanted))
        _require_in_hand(work, wanted, sessions, giver)
    same = _make_room(work, giver, receiver, wanted)
    if same is not None:
        return OfferUpdate(False, OfferView.of(same))
    row = OfferRow(
        id=_new_id(work.now),
        venue_id=giver.venue_id,
        from_waiter_id=giver.id,
        to_waiter_id=receiver.id,
        session_ids=sorted(wanted),
        outcome=None,
        version=1,
        created_at=work.now,
        expires_at=work.now + timedelta(seconds=work.rules.handover_offer_seconds),
        settled_at=None,
    )
    work.orm.add(row)
    work.orm.flush()
    work.record(
        HandoverOffered(**_facts(work, row)),
        subject=("offer", row.id),
        from_value=giver.id,
        to_value=receiver.id,
    )
    return OfferUpdate(True, OfferView.of(row))


def accept(work: UnitOfWork, offer_id: str) -> OfferUpdate:
    """Give the receiving waiter all sessions of the offer, or none."""
    found = _find(work, offer_id)
    _require_party(work, found, found.to_waiter_id)
    held = waiters.hold(work, [found.from_waiter_id, found.to_waiter_id])
    sessions = transfers.lock_sessions(work, SessionRow.id.in_(found.session_ids))
    row = _lock(work, offer_id)
    if not _is_to_be_settled(work, row, OfferOutcome.ACCEPTED):
        return OfferUpdate(False, OfferView.of(row))
    waiters.require_on_shift(work, [held[row.to_waiter_id]])
    _require_in_hand(work, row.session_ids, sessions, held[row.from_waiter_id])
    moved = transfers.hand_over(work, sessions, row.to_waiter_id)
    _settle(work, row, OfferOutcome.ACCEPTED)
    return OfferUpdate(True, OfferView.of(row), moved)


def decline(work: UnitOfWork, offer_id: str) -> OfferUpdate:
    """Refuse an offer, as the receiving waiter."""
    found = _find(work, offer_id)
    return _end(work, found, OfferOutcome.DECLINED, party=found.to_waiter_id)


def withdraw(work: UnitOfWork, offer_id: str) -> OfferUpdate:
    """Take an offer back, as the giving waiter."""
    found = _find(work, offer_id)
    return _end(work, found, OfferOutcome.WITHDRAWN, party=found.from_waiter_id)


def withdraw_all_of(work: UnitOfWork, waiter: WaiterRow) -> None:
    """Withdraw all open offers from and to a waiter whose shift ends."""
    parties = or_(OfferRow.from_waiter_id == waiter.id, OfferRow.to_waiter_id == waiter.id)
    for row in _lock_open(work, parties):
        _settle(work, row, OfferOutcome.WITHDRAWN)


def any_expired(orm: Session, now: datetime) -> bool:
    """Return whether the time of an open offer is over; one look into an index."""
    found = select(OfferRow.id).where(_IS_OPEN, OfferRow.expires_at <= now).limit(1)
    return orm.scalar(found) is not None


def expire(work: UnitOfWork) -> int:
    """Settle offers whose time is over, except those that another process is settling."""
    rows = work.orm.scalars(
        select(OfferRow)
        .where(_IS_OPEN, OfferRow.expires_at <= work.now)
        .order_by(OfferRow.expires_at)
        .limit(EXPIRED_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        _settle(work, row, OfferOutcome.EXPIRED)
    return len(rows)


def may_see(actor: Actor, row: OfferRow) -> bool:
    """Return whether ``actor`` gave it, received it, or is in charge of its venue."""
    if actor.kind is ActorKind.WAITER:
        return actor.id in (row.from_waiter_id, row.to_waiter_id)
    return actor.is_in_charge and actor.covers(row.venue_id)


def _only_holder(work: UnitOfWork, wanted: Collection[str] | None) -> str | None:
    """Return the waiter who holds the sessions, if none is named. Waiters offer only their own."""
    if work.actor.kind is ActorKind.WAITER:
        return None
    holders: Sequence[str] = ()
    if wanted is not None:
        of_wanted = select(SessionRow.waiter_id).where(SessionRow.id.in_(wanted)).distinct()
        holders = work.orm.scalars(of_wanted).all()
        if not holders:
            raise TransferRefused(dict.fromkeys(wanted, "unknown"))
    if len(holders) != 1:
        raise ValidationError("from_waiter_id", "must say whose sessions are offered")
    return holders[0]


def _require_in_hand(
    work: UnitOfWork,
    wanted: Collection[str],
    sessions: Collection[SessionRow],
    giver: WaiterRow,
) -> None:
    """Raise ``TransferRefused`` unless ``giver`` has all of the locked sessions in hand.

    A waiter is not told whether a session that is a colleague's exists.
    """
    found: Mapping[str, SessionRow] = {session.id: session for session in sessions}
    is_their_own = work.actor.kind is ActorKind.WAITER and work.actor.id == giver.id
    unknown = "unknown, or not yours" if is_their_own else "unknown"
    reasons = {}
    for session_id in wanted:
        session = found.get(session_id)
        if session is None or session.venue_id != giver.venue_id:
            reasons[session_id] = unknown
        elif session.waiter_id != giver.id:
            reasons[session_id] = unknown if is_their_own else f"not held by {giver.id}"
        elif session.closed_at is not None and not unfinished_orders(work, session):
            reasons[session_id] = "closed"
    if reasons:
        raise TransferRefused(reasons)


def _make_room(
    work: UnitOfWork, giver: WaiterRow, receiver: WaiterRow, wanted: Collection[str]
) -> OfferRow | None:
    """Settle offers of the same sessions that cannot be accepted; return an equal open one.

    No such offer is made meanwhile, since we hold the locks of the sessions.

    Raises:
        SessionsOffered: some of the sessions are in another offer that is open.
    """
    ids = set(wanted)
    open_ones = work.orm.execute(
        select(OfferRow.id, OfferRow.session_ids).where(
            _IS_OPEN, OfferRow.venue_id == giver.venue_id
        )
    ).all()
    overlapping = [offer_id for offer_id, session_ids in open_ones if ids & set(session_ids)]
    if not overlapping:
        return None
    for row in _lock_open(work, OfferRow.id.in_(overlapping)):
        if row.expires_at <= work.now:
            _settle(work, row, OfferOutcome.EXPIRED)
        elif row.from_waiter_id != giver.id:
            # Its sessions were transferred since.
            _settle(work, row, OfferOutcome.WITHDRAWN)
        elif row.to_waiter_id == receiver.id and set(row.session_ids) == ids:
            return row
        else:
            raise SessionsOffered(row.id, sorted(ids & set(row.session_ids)))
    return None


def _find(work: UnitOfWork, offer_id: str) -> OfferRow:
    row = work.orm.get(OfferRow, offer_id) if inputs.is_identifier(offer_id) else None
    if row is None:
        raise UnknownOffer(offer_id)
    return row


def _require_party(work: UnitOfWork, row: OfferRow, party: str) -> None:
    actor = work.actor
    is_someone_else = actor.kind is ActorKind.WAITER and actor.id != party
    if is_someone_else or not may_see(actor, row):
        raise NotPermitted("offer", row.id, actor)


def _lock(work: UnitOfWork, offer_id: str) -> OfferRow:
    return work.orm.get_one(OfferRow, offer_id, with_for_update=True, populate_existing=True)


def _lock_open(work: UnitOfWork, which: ColumnElement[bool]) -> Sequence[OfferRow]:
    return work.orm.scalars(
        select(OfferRow).where(_IS_OPEN, which).order_by(OfferRow.id).with_for_update()
    ).all()


def _end(work: UnitOfWork, found: OfferRow, outcome: OfferOutcome, *, party: str) -> OfferUpdate:
    _require_party(work, found, party)
    row = _lock(work, found.id)
    if not _is_to_be_settled(work, row, outcome):
        return OfferUpdate(False, OfferView.of(row))
    _settle(work, row, outcome)
    return OfferUpdate(True, OfferView.of(row))


def _is_to_be_settled(work: UnitOfWork, row: OfferRow, outcome: OfferOutcome) -> bool:
    """Return whether the offer is open; ``False`` if it ended in the same way before.

    Raises:
        OfferSettled: it ended otherwise. Its time may be over even if nobody has noted that.
    """
    if row.outcome == outcome:
        return False
    if row.outcome is not None:
        raise OfferSettled(row.id, row.outcome)
    if row.expires_at <= work.now:
        raise OfferSettled(row.id, OfferOutcome.EXPIRED)
    return True


def _settle(work: UnitOfWork, row: OfferRow, outcome: OfferOutcome) -> None:
    row.outcome = outcome.value
    row.settled_at = work.now
    row.version += 1
    work.record(
        HandoverSettled(**_facts(work, row), outcome=outcome),
        subject=("offer", row.id),
        from_value=None,
        to_value=outcome,
    )


def _facts(work: UnitOfWork, row: OfferRow) -> dict[str, Any]:
    return {
        **work.facts_of(row, version=row.version),
        "offer_id": row.id,
        "from_waiter_id": row.from_waiter_id,
        "to_waiter_id": row.to_waiter_id,
        "session_ids": tuple(row.session_ids),
        "expires_at": row.expires_at,
    }


def _new_id(now: datetime) -> str:
    """Return a new id; ids sort by time, so that a list of offers needs no other index."""
    return f"offer-{int(now.timestamp() * 1000):012x}{secrets.token_hex(5)}"
