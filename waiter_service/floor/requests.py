"""A guest's requests: making them and moving them to another status."""

from __future__ import annotations

from sqlalchemy import String, bindparam, select
from sqlalchemy.exc import IntegrityError

from waiter_service import inputs
from waiter_service.changes import RequestStatusChange
from waiter_service.errors import IdTaken, TooMuchUnfinished, UnknownRequest
from waiter_service.floor import moves
from waiter_service.floor.sessions import lock_for_something_new
from waiter_service.floor.unit_of_work import UnitOfWork
from waiter_service.statuses import RequestStatus
from waiter_service.store.models import RequestRow, SessionRow
from waiter_service.views import RequestCreated, RequestUpdate, RequestView

_OPEN_IN_SESSION = (
    select(RequestRow)
    .where(
        RequestRow.session_id == bindparam("session", type_=String),
        RequestRow.finished_at.is_(None),
        RequestRow.status.in_([status.value for status in RequestStatus if status.is_open]),
    )
    .order_by(RequestRow.created_at)
)


def create(
    work: UnitOfWork, session_id: str, kind: str, *, note: str | None, request_id: str | None
) -> RequestCreated:
    """Make a request, or find the open one of the same kind."""
    kind = inputs.request_kind(kind)
    kind_key = inputs.kind_key(kind)
    note = inputs.optional_text("note", note)
    chosen_id = None if request_id is None else inputs.identifier("request_id", request_id)
    session = lock_for_something_new(work, session_id)
    # No other request can be made between this read and our commit: we hold the
    # session's lock. A unique index would prevent duplicates too, but it would also
    # forbid undoing a Completed after the guest has asked again.
    open_ones = work.orm.scalars(_OPEN_IN_SESSION, {"session": session.id}).all()
    for already_open in open_ones:
        if already_open.kind_key == kind_key:
            return RequestCreated(False, RequestView.of(already_open))
    most = work.rules.max_open_requests
    if len(open_ones) >= most and work.rules.limits(work.actor):
        raise TooMuchUnfinished(session.id, "requests", most)

    row = RequestRow(
        id=chosen_id or inputs.new_identifier("request"),
        session_id=session.id,
        venue_id=session.venue_id,
        kind=kind,
        kind_key=kind_key,
        note=note,
        status=RequestStatus.NEW.value,
        version=1,
        created_at=work.now,
        updated_at=work.now,
    )
    work.orm.add(row)
    try:
        work.orm.flush()
    except IntegrityError as error:
        raise IdTaken("request", row.id) from error
    _record(work, session, row, old=None, reason=None)
    return RequestCreated(True, RequestView.of(row))


def update_status(
    work: UnitOfWork,
    request_id: str,
    status: RequestStatus | str,
    *,
    expected_version: int | None,
    reason: str | None,
) -> RequestUpdate:
    """Move a request to ``status``."""
    requested = RequestStatus.parse(status)
    reason = inputs.optional_text("reason", reason)
    moved = moves.move(
        work,
        RequestRow,
        request_id,
        requested,
        unknown=UnknownRequest,
        expected_version=expected_version,
    )
    if moved.old is None:
        return RequestUpdate(False, RequestView.of(moved.ticket))
    _record(work, moved.session, moved.ticket, old=moved.old, reason=reason)
    return RequestUpdate(True, RequestView.of(moved.ticket))


def _record(
    work: UnitOfWork,
    session: SessionRow,
    row: RequestRow,
    *,
    old: RequestStatus | None,
    reason: str | None,
) -> None:
    work.record(
        RequestStatusChange(
            **work.facts(session, version=row.version, reason=reason),
            request_id=row.id,
            old=old,
            new=RequestStatus(row.status),
        ),
        subject=("request", row.id),
        from_value=old,
        to_value=row.status,
    )
