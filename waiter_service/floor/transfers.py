"""Transferring sessions to another waiter, as at a shift change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, select

from waiter_service import inputs
from waiter_service.actors import ActorKind
from waiter_service.changes import SessionTransfer
from waiter_service.errors import NotPermitted, TransferRefused, UnknownWaiter, ValidationError
from waiter_service.floor import waiters
from waiter_service.floor.sessions import is_on_floor, unfinished_orders
from waiter_service.floor.unit_of_work import UnitOfWork
from waiter_service.pacing import paced
from waiter_service.revocations import end_codes
from waiter_service.store.models import AuditRow, JoinCodeRow, SessionRow, WaiterRow
from waiter_service.transfer_cause import TransferCause
from waiter_service.views import SessionView, TransferResult

# More tables than any floor has. The limit bounds the time for which other writers to SQLite
# wait: a session takes 0.2 ms (measured).
MAX_SESSIONS = 200

# Sessions between two pauses: some milliseconds of work.
AT_ONCE = 20


def transfer(
    work: UnitOfWork,
    *,
    to_waiter_id: str,
    from_waiter_id: str | None,
    session_ids: Sequence[str] | None,
    reason: str | None,
    cause: TransferCause | str,
) -> TransferResult:
    """Transfer all the sessions asked for, or none."""
    reason = inputs.optional_text("reason", reason)
    cause = TransferCause.parse(cause)
    wanted = wanted_ids(session_ids)
    if wanted is None and from_waiter_id is None:
        raise ValidationError("session_ids", "must be given, unless from_waiter_id is")
    require_may_transfer(work, to_waiter_id, from_waiter_id)
    receiver, _ = hold_waiters(work, to_waiter_id, from_waiter_id)

    if wanted is None:
        sessions = lock_floor(work, str(from_waiter_id))
        require_few(sessions, "session_ids")
    else:
        sessions = lock_sessions(work, SessionRow.id.in_(wanted))
        reasons = _objections(work, wanted, sessions, receiver, from_waiter_id)
        if reasons:
            raise TransferRefused(reasons)
    if any(session.waiter_id != to_waiter_id for session in sessions):
        waiters.require_on_shift(work, [receiver])
    already_there = [
        _as_seen(work, session) for session in sessions if session.waiter_id == to_waiter_id
    ]
    leaving = [session for session in sessions if session.waiter_id != to_waiter_id]
    moved = hand_over(work, leaving, to_waiter_id, reason=reason, cause=cause)
    return TransferResult(to_waiter_id, moved, tuple(already_there))


def hand_over(
    work: UnitOfWork,
    sessions: Collection[SessionRow],
    to_waiter_id: str,
    *,
    reason: str | None = None,
    cause: TransferCause = TransferCause.SHIFT_CHANGE,
) -> tuple[SessionView, ...]:
    """Give locked sessions to another waiter, who is held and may be given tables."""
    for session in paced(sessions, AT_ONCE):
        _move(work, session, to_waiter_id, reason, cause)
    if sessions:
        # The previous waiter has seen the codes.
        end_codes(work.orm, JoinCodeRow.session_id.in_([session.id for session in sessions]))
    return tuple(SessionView.of(session) for session in sessions)


def wanted_ids(session_ids: Sequence[str] | None) -> list[str] | None:
    """Return the ids asked for, each once, or ``None`` for a whole floor."""
    if session_ids is None:
        return None
    if isinstance(session_ids, str) or not isinstance(session_ids, Collection):
        raise ValidationError("session_ids", "must be a list")
    if not 1 <= len(session_ids) <= MAX_SESSIONS:
        raise ValidationError("session_ids", f"must hold 1 to {MAX_SESSIONS} ids")
    return list(dict.fromkeys(inputs.identifier("session_ids", each) for each in session_ids))


def require_may_transfer(work: UnitOfWork, to_waiter_id: str, from_waiter_id: str | None) -> None:
    """Raise ``NotPermitted`` unless the actor may hand over sessions of ``from_waiter_id``."""
    actor = work.actor
    if not actor.is_floor_staff:
        raise NotPermitted("waiter", to_waiter_id, actor)
    if actor.kind is ActorKind.WAITER and from_waiter_id is not None and from_waiter_id != actor.id:
        raise NotPermitted("waiter", from_waiter_id, actor)


def hold_waiters(
    work: UnitOfWork, to_waiter_id: str, from_waiter_id: str | None, *, exclusively: bool = False
) -> tuple[WaiterRow, WaiterRow | None]:
    """Hold the receiving and the giving waiter, if one is known, who must share a venue."""
    actor = work.actor
    giver_id = actor.id if actor.kind is ActorKind.WAITER else from_waiter_id
    wanted = [to_waiter_id] if giver_id is None else [to_waiter_id, giver_id]
    held = waiters.hold(work, wanted, exclusively=exclusively)
    receiver = held[to_waiter_id]
    if actor.is_in_charge and not actor.covers(receiver.venue_id):
        raise NotPermitted("waiter", to_waiter_id, actor)
    if giver_id is not None and held[giver_id].venue_id != receiver.venue_id:
        # Name the one that the actor does not know.
        raise UnknownWaiter(giver_id if actor.kind is ActorKind.MANAGER else to_waiter_id)
    return receiver, held[giver_id] if giver_id is not None else None


def lock_floor(work: UnitOfWork, waiter_id: str) -> Sequence[SessionRow]:
    """Lock the sessions on a waiter's floor, as ``lock_sessions`` does."""
    return lock_sessions(work, (SessionRow.waiter_id == waiter_id) & is_on_floor(work.rules))


def require_few(sessions: Collection[SessionRow], field: str) -> None:
    """Raise ``ValidationError`` if there are more sessions than can be moved at once."""
    if len(sessions) > MAX_SESSIONS:
        raise ValidationError(
            field,
            f"must leave fewer: more than {MAX_SESSIONS} sessions are on the floor, and no more "
            "can be moved at once; transfer some of them by id",
        )


def lock_sessions(work: UnitOfWork, which: ColumnElement[bool]) -> Sequence[SessionRow]:
    """Lock sessions in the order of their ids, so that two transfers cannot deadlock.

    Returns ``MAX_SESSIONS + 1`` at most.
    """
    return work.orm.scalars(
        select(SessionRow)
        .where(which)
        .order_by(SessionRow.id)
        .limit(MAX_SESSIONS + 1)
        .with_for_update(key_share=True)
    ).all()


def _objections(
    work: UnitOfWork,
    wanted: Collection[str],
    sessions: Collection[SessionRow],
    receiver: WaiterRow,
    from_waiter_id: str | None,
) -> dict[str, str]:
    """Return the reasons that prevent the transfer, by session id.

    A session of another venue looks like one that does not exist, and so does a colleague's
    for a waiter.
    """
    actor = work.actor
    to_waiter_id = receiver.id
    is_waiter = actor.kind is ActorKind.WAITER
    holder = actor.id if is_waiter else from_waiter_id
    unknown = "unknown, or not yours" if is_waiter else "unknown"
    foreign = unknown if is_waiter else f"not held by {holder}"
    found = {session.id: session for session in sessions}
    is_repeated = all(session.waiter_id == to_waiter_id for session in sessions)
    reasons = {}
    for session_id in paced(wanted, AT_ONCE):
        session = found.get(session_id)
        if session is None or session.venue_id != receiver.venue_id:
            reasons[session_id] = unknown
        elif session.waiter_id == to_waiter_id and _was_given(work, session, holder):
            # This part was done before: the transfer is a repeated one. A repeat may name a session
            # that was closed since, but a transfer that also moves other sessions may not: it
            # is not a repeat. Former waiters are not told whether the session was closed.
            if not is_waiter and session.closed_at is not None and not is_repeated:
                reasons[session_id] = "closed"
        elif holder is not None and session.waiter_id != holder:
            reasons[session_id] = foreign
        elif session.closed_at is not None and not unfinished_orders(work, session):
            reasons[session_id] = "closed"
    return reasons


def _was_given(work: UnitOfWork, session: SessionRow, holder: str | None) -> bool:
    """Return whether a transfer gave ``session`` to its waiter, from ``holder`` if one is named.

    Without this check, a repeated transfer would be refused as naming a colleague's session.
    With a weaker check, waiters could find out who holds a table that was never theirs.
    """
    last = _last_transfer(work, session)
    return last is not None and holder in (None, last.from_value)


def _as_seen(work: UnitOfWork, session: SessionRow) -> SessionView:
    """Return a session that was already there, as far as the actor may know it.

    The waiter who gave it away sees it as it was then. Its later versions, and whether it was
    closed, concern only the new waiter.
    """
    view = SessionView.of(session)
    if work.may_act_in(session):
        return view
    last = _last_transfer(work, session)
    assert last is not None, "it has been given by the actor, or would have been refused"
    return replace(view, version=last.version, closed_at=None)


def _last_transfer(work: UnitOfWork, session: SessionRow) -> AuditRow | None:
    return work.orm.scalar(
        select(AuditRow)
        .where(
            AuditRow.subject_kind == "session",
            AuditRow.subject_id == session.id,
            AuditRow.action == SessionTransfer.KIND,
        )
        .order_by(AuditRow.id.desc())
        .limit(1)
    )


def _move(
    work: UnitOfWork,
    session: SessionRow,
    to_waiter_id: str,
    reason: str | None,
    cause: TransferCause,
) -> None:
    previous_waiter_id = session.waiter_id
    session.waiter_id = to_waiter_id
    session.version += 1
    work.record(
        SessionTransfer(
            **work.facts(session, version=session.version, reason=reason),
            previous_waiter_id=previous_waiter_id,
            transfer_id=work.id,
            cause=cause,
        ),
        subject=("session", session.id),
        from_value=previous_waiter_id,
        to_value=to_waiter_id,
    )
