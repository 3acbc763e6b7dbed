"""Figures: how many, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Float, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from waiter_service.models import OrderRow, RequestRow, SessionRow
from waiter_service.statuses import OrderStatus, RequestStatus, Status


class seconds_between(GenericFunction[float]):  # noqa: N801 (spelled as in SQL)
    """How many seconds lie between two moments; the engines have no word in common."""

    type = Float()
    inherit_cache = True
    name = "seconds_between"


@compiles(seconds_between, "sqlite")
def _on_sqlite(element: seconds_between, compiler: SQLCompiler, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"((julianday({end}) - julianday({start})) * 86400.0)"


@compiles(seconds_between, "postgresql")
def _on_postgresql(element: seconds_between, compiler: SQLCompiler, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"EXTRACT(EPOCH FROM ({end} - {start}))"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of requests or of orders.

    ``by_status`` has every status, with 0 where there is none. The averages
    are over those that got so far, and ``None`` when none did.
    """

    total: int
    by_status: Mapping[str, int]
    average_seconds_to_acknowledge: float | None
    average_seconds_to_complete: float | None


@dataclass(frozen=True, slots=True)
class Analytics:
    """The figures of one session, or of all of a waiter's."""

    open_sessions: int
    closed_sessions: int
    requests: Figures
    orders: Figures
    items_ordered: int


def gather(orm: Session, which: ColumnElement[bool]) -> Analytics:
    """Return the figures of the sessions that ``which`` names."""
    sessions, still_open = orm.execute(
        select(func.count(), func.count().filter(SessionRow.closed_at.is_(None)))
        .select_from(SessionRow)
        .where(which)
    ).one()
    items = orm.scalar(
        select(func.coalesce(func.sum(OrderRow.item_count), 0))
        .join(SessionRow, SessionRow.id == OrderRow.session_id)
        .where(which)
    )
    return Analytics(
        open_sessions=still_open,
        closed_sessions=sessions - still_open,
        requests=_figures(orm, RequestRow, RequestStatus, which),
        orders=_figures(orm, OrderRow, OrderStatus, which),
        items_ordered=items or 0,
    )


def _figures(
    orm: Session,
    ticket: type[RequestRow] | type[OrderRow],
    statuses: type[Status],
    which: ColumnElement[bool],
) -> Figures:
    acknowledged = seconds_between(ticket.created_at, ticket.acknowledged_at)
    completed = seconds_between(ticket.created_at, ticket.completed_at)
    rows = orm.execute(
        select(
            ticket.status,
            func.count(),
            func.sum(acknowledged),
            func.count(ticket.acknowledged_at),
            func.sum(completed),
            func.count(ticket.completed_at),
        )
        .join(SessionRow, SessionRow.id == ticket.session_id)
        .where(which)
        .group_by(ticket.status)
    ).all()
    by_status = {status.value: 0 for status in statuses}
    by_status.update({row[0]: row[1] for row in rows})
    return Figures(
        total=sum(by_status.values()),
        by_status=by_status,
        average_seconds_to_acknowledge=_average([(row[2], row[3]) for row in rows]),
        average_seconds_to_complete=_average([(row[4], row[5]) for row in rows]),
    )


def _average(sums_and_counts: list[tuple[Any, int]]) -> float | None:
    count = sum(each for _, each in sums_and_counts)
    if not count:
        return None
    # Seconds to a millisecond: SQLite counts in fractions of a day.
    return round(sum(float(each or 0) for each, _ in sums_and_counts) / count, 3)
