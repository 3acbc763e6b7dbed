"""Orders: placing them and moving them to another status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Integer, String, Table, bindparam, func, insert, select
from sqlalchemy.exc import IntegrityError

from waiter_service import inputs
from waiter_service.changes import OrderStatusChange
from waiter_service.errors import IdTaken, TooMuchUnfinished, UnknownOrder
from waiter_service.floor import moves
from waiter_service.floor.sessions import lock_for_something_new, settle
from waiter_service.floor.unit_of_work import UnitOfWork
from waiter_service.inputs import OrderItem
from waiter_service.statuses import OrderStatus
from waiter_service.store.models import OrderRow, SessionRow
from waiter_service.views import OrderUpdate, OrderView

_ORDERS = cast("Table", OrderRow.__table__)
_THERE = _ORDERS.alias()
_UNFINISHED = (
    (_THERE.c.session_id == bindparam("of_session", type_=String))
    & _THERE.c.finished_at.is_(None)
    & _THERE.c.status.in_(bindparam("unfinished", expanding=True))
)
_COUNT = select(func.count()).select_from(_THERE).where(_UNFINISHED).scalar_subquery()
_LINES = (
    select(func.coalesce(func.sum(func.json_array_length(_THERE.c["items"])), 0))
    .where(_UNFINISHED)
    .scalar_subquery()
)
_PLACED = (
    *("id", "session_id", "venue_id", "items", "item_count", "note"),
    *("status", "version", "created_at", "updated_at"),
)
# Counts and inserts in one statement, so the limits cost no round trip. The statement runs
# under the session's lock, so no other order is placed between the two.
_ADD = (
    insert(_ORDERS)
    .from_select(
        _PLACED,
        select(*(bindparam(f"new_{name}", type_=_ORDERS.c[name].type) for name in _PLACED)).where(
            bindparam("max_orders", type_=Integer) > _COUNT,
            _LINES + bindparam("lines", type_=Integer) <= bindparam("max_lines", type_=Integer),
        ),
    )
    .returning(_ORDERS.c.id)
)
# The largest value of PostgreSQL's integer.
_NO_LIMIT = 2**31 - 1


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
        venue_id=session.venue_id,
        items=[{"name": line.name, "quantity": line.quantity} for line in lines],
        item_count=sum(line.quantity for line in lines),
        note=note,
        status=OrderStatus.NEW.value,
        version=1,
        created_at=work.now,
        updated_at=work.now,
    )
    _add(work, row)
    _record(work, session, row, old=None, reason=None)
    return OrderView.of(row)


def _add(work: UnitOfWork, row: OrderRow) -> None:
    rules = work.rules
    there = {"of_session": row.session_id, "unfinished": rules.unfinished_orders}
    is_limited = rules.limits(work.actor)
    limits = {
        "lines": len(row.items),
        "max_orders": rules.max_orders if is_limited else _NO_LIMIT,
        "max_lines": rules.max_order_lines if is_limited else _NO_LIMIT,
    }
    new = {f"new_{name}": getattr(row, name) for name in _PLACED}
    try:
        added = work.orm.connection().scalar(_ADD, there | limits | new)
    except IntegrityError as error:
        raise IdTaken("order", row.id) from error
    if added is not None:
        return
    if work.orm.get(OrderRow, row.id) is not None:
        raise IdTaken("order", row.id)
    count = work.orm.scalar(select(_COUNT), there) or 0
    if count >= rules.max_orders:
        raise TooMuchUnfinished(row.session_id, "orders", rules.max_orders)
    raise TooMuchUnfinished(row.session_id, "order lines", rules.max_order_lines)


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
    if moved.session.closed_at is not None:
        settle(work, moved.session)
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
