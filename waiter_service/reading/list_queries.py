"""Lists of venues, waiters, sessions, requests and orders: what anyone may find, by filters."""

from __future__ import annotations

from waiter_service.actors import SYSTEM, Actor
from waiter_service.clock import Clock
from waiter_service.reading import lists, ticket_lists
from waiter_service.reading.lists import SessionPage, VenuePage, WaiterPage
from waiter_service.reading.ticket_lists import OrderPage, RequestPage, Wanted
from waiter_service.statuses import OrderStatus, RequestStatus
from waiter_service.store.database import Database


class ListQueries:
    """Lists what there is, a page at a time, each at a cost that does not grow with the history.

    ``actor`` is the reader. Waiters are shown their own sessions with what is in them, and the
    waiters of their venue; managers what is in their venue, and the system everything. What is
    not theirs is on no list, as if it did not exist. Guests, kitchens and displays are
    shown no list.

    Every list takes ``limit``, 1 to 500 (50 by default), and ``cursor``, which is the
    ``next`` of a page with the same filters. It raises ``ValidationError`` for a filter with an
    invalid value, and ``NotPermitted`` if the actor is shown no list.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def venues(
        self, *, actor: Actor = SYSTEM, limit: int | None = None, cursor: str | None = None
    ) -> VenuePage:
        """Return the venues by id. A waiter is shown their own."""
        with self._database.reading() as orm:
            return lists.venue_page(orm, actor, limit, cursor)

    def waiters(
        self,
        *,
        venue_id: str | None = None,
        on_shift: bool | None = None,
        actor: Actor = SYSTEM,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> WaiterPage:
        """Return the waiters by id: of a venue, on shift or off shift."""
        with self._database.reading() as orm:
            return lists.waiter_page(
                orm, actor, venue_id=venue_id, on_shift=on_shift, limit=limit, cursor=cursor
            )

    def sessions(
        self,
        *,
        is_open: bool | None = True,
        table_number: int | None = None,
        waiter_id: str | None = None,
        venue_id: str | None = None,
        actor: Actor = SYSTEM,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> SessionPage:
        """Return the open sessions by venue and table.

        With ``is_open=False`` the closed ones, with ``None`` all, both with the newest first.
        """
        with self._database.reading() as orm:
            return lists.session_page(
                orm,
                actor,
                is_open=is_open,
                table_number=table_number,
                waiter_id=waiter_id,
                venue_id=venue_id,
                limit=limit,
                cursor=cursor,
            )

    def requests(
        self,
        *,
        status: RequestStatus | str | None = None,
        venue_id: str | None = None,
        session_id: str | None = None,
        older_than_seconds: int | None = None,
        actor: Actor = SYSTEM,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> RequestPage:
        """Return requests: those in progress, oldest first, and then the rest, newest first.

        In progress is what is unfinished in a session that is on a floor. The rest is what is
        finished, and what was left in sessions that have ended: with a ``status`` it is shown
        only if that is Completed or final, and to a waiter only for a day after the end
        of the session. With ``session_id`` everything in the session is shown.
        ``older_than_seconds`` counts from when a request was made.
        """
        wanted = Wanted(
            status=None if status is None else RequestStatus.parse(status),
            venue_id=venue_id,
            session_id=session_id,
            older_than_seconds=older_than_seconds,
            now=self._clock(),
        )
        with self._database.reading() as orm:
            return ticket_lists.request_page(orm, actor, wanted, limit, cursor)

    def orders(
        self,
        *,
        status: OrderStatus | str | None = None,
        venue_id: str | None = None,
        session_id: str | None = None,
        older_than_seconds: int | None = None,
        actor: Actor = SYSTEM,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> OrderPage:
        """Return orders, as ``requests`` returns requests.

        An order that was left Delivered is shown with that status.
        """
        wanted = Wanted(
            status=None if status is None else OrderStatus.parse(status),
            venue_id=venue_id,
            session_id=session_id,
            older_than_seconds=older_than_seconds,
            now=self._clock(),
        )
        with self._database.reading() as orm:
            return ticket_lists.order_page(orm, actor, wanted, limit, cursor)
