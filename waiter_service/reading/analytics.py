"""Figures: counts of requests and orders, and how long they took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Float, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from waiter_service.pacing import pause
from waiter_service.statuses import OrderStatus, RequestStatus, Status
from waiter_service.store.models import OrderRow, RequestRow, SessionRow

#: Rows between two pauses: about a millisecond.
ROWS_AT_ONCE = 250


class seconds_between(GenericFunction[float]):  # noqa: N801 (spelled as in SQL)
    """The seconds between two moments. The two engines have no function for it in common."""

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
    """The figures of requests, or of orders.

    ``by_status`` has every status, with 0 where there are none. The averages are over those
    that reached the status, and ``None`` if none did.
    """

    total: int
    by_status: Mapping[str, int]
    average_seconds_to_acknowledge: float | None
    average_seconds_to_complete: float | None


@dataclass(frozen=True, slots=True)
class Analytics:
    """The figures of one session, or of all sessions of a waiter."""

    open_sessions: int
    closed_sessions: int
    requests: Figures
    orders: Figures
    items_ordered: int


def gather(orm: Session, which: ColumnElement[bool]) -> Analytics:
    """Return the figures of the sessions for which ``which`` holds."""
    sessions, still_open = orm.execute(
        select(func.count(), func.count().filter(SessionRow.closed_at.is_(None)))
        .select_from(SessionRow)
        .where(which)
    ).one()
    requests, _ = _gather(orm, RequestRow, RequestStatus, which, literal(0))
    orders, items = _gather(orm, OrderRow, OrderStatus, which, OrderRow.item_count.expression)
    return Analytics(
        open_sessions=still_open,
        closed_sessions=sessions - still_open,
        requests=requests,
        orders=orders,
        items_ordered=items,
    )


@dataclass(slots=True)
class _Sum:
    """A sum of seconds, and the number of values in it."""

    seconds: float = 0.0
    count: int = 0

    def add(self, seconds: Any) -> None:
        if seconds is not None:
            self.seconds += float(seconds)
            self.count += 1

    @property
    def average(self) -> float | None:
        # Rounded to milliseconds: SQLite counts in fractions of a day.
        return round(self.seconds / self.count, 3) if self.count else None


def _gather(
    orm: Session,
    ticket: type[RequestRow] | type[OrderRow],
    statuses: type[Status],
    which: ColumnElement[bool],
    item_count: ColumnElement[int],
) -> tuple[Figures, int]:
    """Return the figures of requests or orders, and the sum of ``item_count``.

    Summed up here, not in the database: SQLite would block the whole process meanwhile, a tenth
    of a second for 25,000 orders.
    """
    found = orm.execute(
        select(
            ticket.status,
            seconds_between(ticket.created_at, ticket.acknowledged_at),
            seconds_between(ticket.created_at, ticket.completed_at),
            item_count,
        )
        .join(SessionRow, SessionRow.id == ticket.session_id)
        .where(which)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    by_status = {status.value: 0 for status in statuses}
    acknowledged, completed, items = _Sum(), _Sum(), 0
    for part in found.partitions():
        for status, until_acknowledged, until_completed, count in part:
            by_status[status] += 1
            acknowledged.add(until_acknowledged)
            completed.add(until_completed)
            items += count
        pause()
    figures = Figures(
        total=sum(by_status.values()),
        by_status=by_status,
        average_seconds_to_acknowledge=acknowledged.average,
        average_seconds_to_complete=completed.average,
    )
    return figures, items
