"""The pages of a session and of a waiter's floor."""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from waiter_service.reading import pages
from waiter_service.reading.pages import Ticket
from waiter_service.statuses import OrderStatus, RequestStatus
from waiter_service.store.models import OrderRow, RequestRow, SessionRow
from waiter_service.views import OrderView, RequestView

_OPEN_REQUESTS = [status.value for status in RequestStatus if not status.is_final]
_OPEN_ORDERS = [status.value for status in OrderStatus if status.is_open]

# In a session, requests come before orders.
_REQUEST, _ORDER = "1", "2"

#: Sessions in a page of a floor, and the weight of each without its requests and orders.
MAX_SESSIONS = 100
SESSION_WEIGHT = 400


@dataclass(frozen=True, slots=True)
class TicketPage:
    """Requests and orders, each oldest first, and the cursor of the next page."""

    requests: tuple[RequestView, ...]
    orders: tuple[OrderView, ...]
    next: str | None


def session_page(
    orm: Session, session_id: str, limit: int | None, cursor: str | None
) -> TicketPage:
    """Return what is open in a session, then what was finished, newest first."""
    limit = pages.limit_of(limit)
    # "open" with the last type and id of the page; or "finished" with the moment, type and id.
    section, moment, sort, last_id = (
        ("open", "", "", "") if cursor is None else pages.decode_cursor(cursor, "open", "finished")
    )
    taken: list[Ticket] = []
    weight, place, is_full = 0, cursor, False
    if section == "open":
        for ticket in _open_in_session(orm, session_id, sort, last_id):
            if weight >= pages.MAX_PAGE_WEIGHT:
                is_full = True
                break
            taken.append(ticket)
            weight += pages.weight_of(ticket)
            place = pages.encode_cursor("open", "", _sort_of(ticket), ticket.id)
        moment = sort = last_id = ""
    if not is_full:
        left = limit
        for ticket, finished_at in _finished_in_session(orm, session_id, moment, sort, last_id):
            if not left or weight >= pages.MAX_PAGE_WEIGHT:
                is_full = True
                break
            taken.append(ticket)
            weight += pages.weight_of(ticket)
            left -= 1
            place = pages.encode_cursor("finished", finished_at, _sort_of(ticket), ticket.id)
    return _page(taken, place if is_full else None)


def _page(taken: list[Ticket], following: str | None) -> TicketPage:
    taken.sort(key=lambda ticket: (ticket.created_at, ticket.id))
    return TicketPage(
        tuple(each for each in taken if isinstance(each, RequestView)),
        tuple(each for each in taken if isinstance(each, OrderView)),
        following,
    )


def _sort_of(ticket: Ticket) -> str:
    return _REQUEST if isinstance(ticket, RequestView) else _ORDER


def _open_in_session(orm: Session, session_id: str, sort: str, last_id: str) -> Iterator[Ticket]:
    if sort != _ORDER:
        requests = (
            select(RequestRow)
            .where(
                RequestRow.session_id == session_id,
                RequestRow.finished_at.is_(None),
                RequestRow.id > last_id,
            )
            .order_by(RequestRow.id)
        )
        yield from map(RequestView.of, pages.rows(orm, requests))
    orders = (
        select(OrderRow)
        .where(
            OrderRow.session_id == session_id,
            OrderRow.finished_at.is_(None),
            OrderRow.id > (last_id if sort == _ORDER else ""),
        )
        .order_by(OrderRow.id)
    )
    yield from map(OrderView.of, pages.rows(orm, orders))


def _finished_in_session(
    orm: Session, session_id: str, moment: str, sort: str, last_id: str
) -> Iterator[tuple[Ticket, str]]:
    """Yield what was finished, newest first; orders come first if the moment is the same."""
    requests, orders = _finished(RequestRow, session_id), _finished(OrderRow, session_id)
    if moment:
        since = pages.moment_in(moment)
        if sort == _ORDER:
            orders = orders.where(_comes_after(OrderRow, since, last_id))
            requests = requests.where(RequestRow.finished_at <= since)
        else:
            orders = orders.where(OrderRow.finished_at < since)
            requests = requests.where(_comes_after(RequestRow, since, last_id))
    # By the moment alone: the database may sort ids differently than Python.
    both: list[Iterator[RequestRow | OrderRow]] = [
        pages.rows(orm, orders),
        pages.rows(orm, requests),
    ]
    for row in heapq.merge(*both, key=_when_finished, reverse=True):
        yield _view(row), _when_finished(row).isoformat()


def _when_finished(row: RequestRow | OrderRow) -> datetime:
    assert row.finished_at is not None, "no others were asked for"
    return row.finished_at


Row = TypeVar("Row", RequestRow, OrderRow)


def _finished(row: type[Row], session_id: str) -> Select[Row]:
    return (
        select(row)
        .where(row.session_id == session_id, row.finished_at.is_not(None))
        .order_by(row.finished_at.desc(), row.id.desc())
    )


def _comes_after(row: type[Row], moment: datetime, last_id: str) -> ColumnElement[bool]:
    # The first condition makes the database use the index.
    return (row.finished_at <= moment) & ((row.finished_at < moment) | (row.id < last_id))


def _view(row: RequestRow | OrderRow) -> Ticket:
    return OrderView.of(row) if isinstance(row, OrderRow) else RequestView.of(row)


Part = tuple[SessionRow, TicketPage]


def floor_page(
    orm: Session, which: ColumnElement[bool], limit: int | None, cursor: str | None
) -> tuple[list[Part], str | None]:
    """Return sessions by id, each with what is open in it, and the cursor of the next page.

    If a session has many or large orders, the next page may continue it.
    """
    limit = MAX_SESSIONS if limit is None else pages.limit_of(limit)
    # The session, and the last type and id of the page in it.
    first_id, sort, last_id = "", "", ""
    if cursor is not None:
        _, first_id, sort, last_id = pages.decode_cursor(cursor, "floor")
    is_next = SessionRow.id > first_id if sort == "" else SessionRow.id >= first_id
    sessions = orm.scalars(
        select(SessionRow).where(which, is_next).order_by(SessionRow.id).limit(limit + 1)
    ).all()
    has_more, sessions = len(sessions) > limit, sessions[:limit]
    ids = [session.id for session in sessions]
    requests, orders = _open(RequestRow, ids, _OPEN_REQUESTS), _open(OrderRow, ids, _OPEN_ORDERS)
    if sort == _REQUEST:
        requests = requests.where((RequestRow.session_id != first_id) | (RequestRow.id > last_id))
    elif sort == _ORDER:
        requests = requests.where(RequestRow.session_id != first_id)
        orders = orders.where((OrderRow.session_id != first_id) | (OrderRow.id > last_id))
    streams = _Stream(pages.rows(orm, requests)), _Stream(pages.rows(orm, orders))
    parts: list[Part] = []
    weight, place, is_full = 0, "", False
    for session in sessions:
        taken: list[Ticket] = []
        for row in chain.from_iterable(stream.of(session.id) for stream in streams):
            if weight >= pages.MAX_PAGE_WEIGHT:
                is_full = True
                break
            ticket = _view(row)
            taken.append(ticket)
            weight += pages.weight_of(ticket)
            place = pages.encode_cursor("floor", session.id, _sort_of(ticket), ticket.id)
        if taken or not is_full:
            parts.append((session, _page(taken, None)))
        if is_full:
            break
        place = pages.encode_cursor("floor", session.id, "", "")
        weight += SESSION_WEIGHT
    for stream in streams:
        stream.close()
    return parts, place if is_full or has_more else None


def _open(row: type[Row], session_ids: Sequence[str], statuses: Sequence[str]) -> Select[Row]:
    return (
        select(row)
        .where(row.session_id.in_(session_ids), row.finished_at.is_(None), row.status.in_(statuses))
        .order_by(row.session_id, row.id)
    )


class _Stream:
    """Rows ordered by session, read one session after the other."""

    def __init__(self, rows: Iterator[RequestRow] | Iterator[OrderRow]) -> None:
        self._rows = rows
        self._next: RequestRow | OrderRow | None = next(rows, None)

    def of(self, session_id: str) -> Iterator[RequestRow | OrderRow]:
        """Yield the rows of one session. Rows of earlier sessions must have been read."""
        while self._next is not None and self._next.session_id == session_id:
            row, self._next = self._next, next(self._rows, None)
            yield row

    def close(self) -> None:
        """Stop reading."""
        if isinstance(self._rows, Generator):
            self._rows.close()
