"""Orders: placing them and moving them on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import IntegrityError

from waiter_service import inputs, moves
from waiter_service.changes import OrderStatusChange
from waiter_service.errors import IdTaken, UnknownOrder
from waiter_service.inputs import OrderItem
from waiter_service.models import OrderRow, SessionRow
from waiter_service.sessions import lock_for_something_new
from waiter_service.statuses import OrderStatus
from waiter_service.unit_of_work import UnitOfWork
from waiter_service.views import OrderUpdate, OrderView


def place(
    work: UnitOfWork,
    session_id: str,
    items: Sequence[Mapping[str, Any] | OrderItem],
    *,
    note: str | None,
    order_id: str | None,
) -> OrderView:
    """Place an order."""
    lines = inputs.order_items(items)
    note = inputs.optional_text("note", note)
    chosen_id = None if order_id is None else inputs.identifier("order_id", order_id)
    session = lock_for_something_new(work, session_id)
    row = OrderRow(
        id=chosen_id or inputs.new_identifier("order"),
        session_id=session.id,
        items=[{"name": line.name, "quantity": line.quantity} for line in lines],
        item_count=sum(line.quantity for line in lines),
        note=note,
        status=OrderStatus.NEW.value,
        version=1,
        created_at=work.now,
        updated_at=work.now,
    )
    work.orm.add(row)
    try:
        work.orm.flush()
    except IntegrityError as error:
        raise IdTaken("order", row.id) from error
    _record(work, session, row, old=None, reason=None)
    return OrderView.of(row)


def update_status(
    work: UnitOfWork,
    order_id: str,
    status: OrderStatus | str,
    *,
    expected_version: int | None,
    reason: str | None,
) -> OrderUpdate:
    """Move an order to ``status``."""
    requested = OrderStatus.parse(status)
    reason = inputs.optional_text("reason", reason)
    moved = moves.move(
        work,
        OrderRow,
        order_id,
        requested,
        unknown=UnknownOrder,
        expected_version=expected_version,
    )
    if moved.old is None:
        return OrderUpdate(False, OrderView.of(moved.ticket))
    _record(work, moved.session, moved.ticket, old=moved.old, reason=reason)
    return OrderUpdate(True, OrderView.of(moved.ticket))


def _record(
    work: UnitOfWork,
    session: SessionRow,
    row: OrderRow,
    *,
    old: OrderStatus | None,
    reason: str | None,
) -> None:
    work.record(
        OrderStatusChange(
            **work.facts(session, version=row.version, reason=reason),
            order_id=row.id,
            item_count=row.item_count,
            old=old,
            new=OrderStatus(row.status),
        ),
        subject=("order", row.id),
        from_value=old,
        to_value=row.status,
    )
