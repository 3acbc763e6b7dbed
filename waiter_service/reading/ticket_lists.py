"""Lists of requests and orders, in pages.

What is in progress comes first, oldest first: whatever is unfinished in sessions on a floor. The
rest follows, newest first: what is finished, and what was left unfinished in sessions that have
ended. First the ids of a page are found, along indexes; then its rows are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, select, tuple_, union_all
from sqlalchemy.orm import Session

from waiter_service import inputs
from waiter_service.actors import Actor
from waiter_service.errors import ValidationError
from waiter_service.pacing import ITEMS_AT_ONCE, pause
from waiter_service.reading import pages
from waiter_service.reading.scope import Scope, scope_of
from waiter_service.statuses import OrderStatus, RequestStatus
from waiter_service.store.models import OrderRow, RequestRow, SessionRow
from waiter_service.views import OrderView, RequestView

#: Ten years: older than anything that waits.
MAX_AGE_SECONDS = 10 * 366 * 86_400

#: A session may end while these are unfinished: the guests have got what they wanted.
_SERVED = frozenset({RequestStatus.COMPLETED, OrderStatus.DELIVERED})

#: How long a waiter is shown what is left of a session that has ended. After that they find it
#: by the session. Otherwise all the sessions that a waiter ever had would have to be searched.
_WAITERS_PAST = timedelta(days=1)

# The sections of a list.
_CURRENT, _REST = "current", "rest"

T = TypeVar("T", RequestView, OrderView)
AnyStatus = RequestStatus | OrderStatus
Keys = Select[datetime, str]
Place = tuple[datetime, str]
Key = tuple[str, datetime, str]
"""Where a request or an order is in a list: its section, its time and its id."""


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Requests, and the cursor of the next page; ``None`` on the last page."""

    requests: tuple[RequestView, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Orders, and the cursor of the next page; ``None`` on the last page."""

    orders: tuple[OrderView, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The filters of a list of requests or orders; ``None`` stands for any."""

    status: AnyStatus | None
    venue_id: str | None
    session_id: str | None
    older_than_seconds: int | None
    now: datetime

    def checked(self) -> Wanted:
        """Return it; raises ``ValidationError`` if a filter has an invalid value."""
        if self.session_id is not None:
            inputs.identifier("session", self.session_id)
        age: object = self.older_than_seconds
        is_number = isinstance(age, int) and not isinstance(age, bool)
        if age is not None and not (is_number and 0 <= age <= MAX_AGE_SECONDS):  # type: ignore[operator]
            rule = f"must be a whole number from 0 to {MAX_AGE_SECONDS}"
            raise ValidationError("older_than_seconds", rule)
        return self


def request_page(
    orm: Session, actor: Actor, wanted: Wanted, limit: int | None, cursor: str | None
) -> RequestPage:
    """Return a page of requests."""
    scope = scope_of(actor, "requests", wanted.venue_id)
    return RequestPage(*_List(RequestRow, RequestView, wanted, scope).page(orm, limit, cursor))


def order_page(
    orm: Session, actor: Actor, wanted: Wanted, limit: int | None, cursor: str | None
) -> OrderPage:
    """Return a page of orders."""
    scope = scope_of(actor, "orders", wanted.venue_id)
    return OrderPage(*_List(OrderRow, OrderView, wanted, scope).page(orm, limit, cursor))


class _List(Generic[T]):
    """The list of the requests, or of the orders, that are wanted and in ``scope``."""

    def __init__(self, row: object, view: type[T], wanted: Wanted, scope: Scope | None) -> None:
        # The statements are the same for both tables, which have no common type for mypy.
        self._row: Any = row
        self._view: Any = view
        self._statuses = RequestStatus if row is RequestRow else OrderStatus
        self._wanted = wanted.checked()
        self._scope = scope

    def page(
        self, orm: Session, limit: int | None, cursor: str | None
    ) -> tuple[tuple[T, ...], str | None]:
        """Return the requests or orders of a page, and the cursor of the next page."""
        limit = pages.limit_of(limit)
        after = None if cursor is None else self._key_in(cursor)
        if self._scope is None:
            return (), None
        keys = self._keys(orm, self._scope, limit + 1, after)
        shown: list[T] = []
        weight = 0
        for ticket in self._read(orm, [key[-1] for key in keys[:limit]]):
            if weight >= pages.MAX_PAGE_WEIGHT:
                break
            shown.append(ticket)
            weight += pages.weight_of(ticket)
        if len(shown) == len(keys):
            return tuple(shown), None
        section, moment, last_id = keys[len(shown) - 1]
        place = pages.encode_cursor(self._name(section), moment.isoformat(), last_id, "")
        return tuple(shown), place

    def _key_in(self, cursor: str) -> Key:
        sections = {self._name(section): section for section in (_CURRENT, _REST)}
        name, moment, last_id, _ = pages.decode_cursor(cursor, *sections)
        return sections[name], pages.moment_in(moment), last_id

    def _name(self, section: str) -> str:
        return f"{self._row.__tablename__} {section}"

    def _read(self, orm: Session, ids: Sequence[str]) -> Iterator[T]:
        # A few at a time, since a page may end before its limit.
        for first in range(0, len(ids), ITEMS_AT_ONCE):
            chosen = ids[first : first + ITEMS_AT_ONCE]
            rows = orm.scalars(select(self._row).where(self._row.id.in_(chosen)))
            found = {row.id: row for row in rows}
            yield from (self._view.of(found[each]) for each in chosen)
            pause()

    def _keys(self, orm: Session, scope: Scope, most: int, after: Key | None) -> list[Key]:
        """Return the keys of at most ``most`` entries after ``after``."""
        found: list[Key] = []
        for section, statement_of in ((_CURRENT, self._current), (_REST, self._rest)):
            place: Place | None = None
            if after is not None and section == after[0]:
                place = after[1:]
            elif after is not None and section == _CURRENT:
                continue
            if len(found) < most:
                statement = statement_of(scope, most - len(found), place)
                rows = () if statement is None else orm.execute(statement)
                found += [(section, moment, ticket_id) for moment, ticket_id in rows]
        return found

    def _current(self, scope: Scope, most: int, place: Place | None) -> Keys | None:
        """Return the statement for what is in progress, oldest first."""
        row, wanted = self._row, self._wanted
        if wanted.status is not None and wanted.status.is_final:
            return None
        is_on_floor = [] if wanted.session_id else [SessionRow.settled_at.is_(None)]
        keys = self._by_session(scope, row.finished_at.is_(None), *is_on_floor)
        if place is not None:
            keys = keys.where(tuple_(row.created_at, row.id) > place)
        return keys.order_by(row.created_at, row.id).limit(most)

    def _rest(self, scope: Scope, most: int, place: Place | None) -> Keys | None:
        """Return the statement for what is finished or was left unfinished, newest first."""
        status = self._wanted.status
        if status is not None and not status.is_final and status not in _SERVED:
            return None
        parts = self._parts_of_rest(scope, status)
        newest = [self._newest(part, most, place) for part in parts]
        if len(newest) < 2:
            return newest[0] if newest else None
        # The database compares the ids, since it may sort them differently than Python.
        whole = union_all(*(select(part.subquery()) for part in newest)).subquery()
        return select(whole).order_by(whole.c.created_at.desc(), whole.c.id.desc()).limit(most)

    def _parts_of_rest(self, scope: Scope, status: AnyStatus | None) -> list[Keys]:
        finished_at, settled_at = self._row.finished_at, SessionRow.settled_at
        # A final status says the same. With both, SQLite prefers the index of all that
        # has this status.
        finished = [] if status is not None else [finished_at.is_not(None)]
        is_over = status is None or status.is_final
        if self._wanted.session_id is not None:
            return [self._by_session(scope, *finished)] if is_over else []
        if scope.waiter_id is not None:
            recently = self._wanted.now - _WAITERS_PAST
            on_floor = self._by_session(scope, settled_at.is_(None), *finished)
            ended = self._by_session(scope, settled_at >= recently)
            return [on_floor, ended] if is_over else [ended]
        # One index has what is finished, by status; another has what is unfinished.
        parts = [
            self._by_time(scope, each).where(finished_at.is_not(None))
            for each in self._statuses
            if each.is_final and status in (None, each)
        ]
        if status is None or not is_over:
            left = self._by_time(scope, status)
            left = left.join(SessionRow, SessionRow.id == self._row.session_id)
            parts.append(left.where(finished_at.is_(None), settled_at.is_not(None)))
        return parts

    def _by_session(self, scope: Scope, *conditions: ColumnElement[bool]) -> Keys:
        """Return the statement for what is wanted, which its sessions lead to."""
        keys = self._made_in_time(self._wanted.status)
        keys = keys.join(SessionRow, SessionRow.id == self._row.session_id).where(*conditions)
        if self._wanted.session_id is not None:
            keys = keys.where(SessionRow.id == self._wanted.session_id)
        if scope.waiter_id is not None:
            keys = keys.where(SessionRow.waiter_id == scope.waiter_id)
        return keys.where(scope.holds(SessionRow.venue_id))

    def _by_time(self, scope: Scope, status: AnyStatus | None) -> Keys:
        """Return the statement for what is wanted, which its time leads to."""
        keys = self._made_in_time(status)
        if scope.venue_id is not None:
            keys = keys.where(self._row.venue_id == scope.venue_id)
        return keys

    def _made_in_time(self, status: AnyStatus | None) -> Keys:
        keys: Keys = select(self._row.created_at, self._row.id)
        if status is not None:
            keys = keys.where(self._row.status == status.value)
        if self._wanted.older_than_seconds is not None:
            age = timedelta(seconds=self._wanted.older_than_seconds)
            keys = keys.where(self._row.created_at <= self._wanted.now - age)
        return keys

    def _newest(self, keys: Keys, most: int, place: Place | None) -> Keys:
        row = self._row
        if place is not None:
            keys = keys.where(tuple_(row.created_at, row.id) < place)
        return keys.order_by(row.created_at.desc(), row.id.desc()).limit(most)
