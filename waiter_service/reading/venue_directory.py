"""Which venue each session and each waiter belongs to."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import Executable, bindparam, select, tuple_

from waiter_service import inputs
from waiter_service.actors import MAIN_VENUE
from waiter_service.pacing import pause
from waiter_service.store.database import Database
from waiter_service.store.models import SessionRow, VenueRow, WaiterRow

#: Sessions and waiters that are remembered: more than a deployment has open in one evening,
#: in some 20 MB. Beyond it the oldest are forgotten, and then cost a read each.
MAX_REMEMBERED = 200_000

#: Rows read at a time: a few milliseconds.
PAGE_ROWS = 1000

#: Ids in one statement. Databases limit the number of parameters.
IDS_AT_ONCE = 500

_WAITERS = (
    select(WaiterRow.id, WaiterRow.venue_id)
    .where(WaiterRow.id > bindparam("last_id"))
    .order_by(WaiterRow.id)
    .limit(PAGE_ROWS)
)
# In the order of the index of open sessions: there may be a hundred times as many closed ones.
_OPEN_SESSIONS = (
    select(SessionRow.id, SessionRow.venue_id, SessionRow.table_number)
    .where(
        SessionRow.closed_at.is_(None),
        tuple_(SessionRow.venue_id, SessionRow.table_number)
        > tuple_(bindparam("last_venue"), bindparam("last_table")),
    )
    .order_by(SessionRow.venue_id, SessionRow.table_number)
    .limit(PAGE_ROWS)
)
_ROWS: Mapping[str, type[SessionRow | WaiterRow]] = MappingProxyType(
    {"session": SessionRow, "waiter": WaiterRow}
)


class VenueDirectory:
    """Answers from memory where it can: neither a session nor a waiter ever changes venue.

    While the deployment has only ``main``, everything belongs to it, and nothing is read or
    remembered. ``kind`` is ``"session"`` or ``"waiter"``. Every method that reads may switch
    greenlets, and raises ``DatabaseError`` if the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # By kind and id, in the order they came.
        self._venues: OrderedDict[tuple[str, str], str] = OrderedDict()
        #: Whether there is another venue than ``main``, as far as this process knows.
        self.has_several = False

    def refresh(self) -> bool:
        """Find out whether there are several venues; return whether that is news.

        If it is, the open sessions and the waiters are remembered. Does not read once there
        are several: a venue is never deleted.
        """
        if self.has_several:
            return False
        with self._database.reading() as orm:
            is_another = VenueRow.id != MAIN_VENUE
            if orm.scalar(select(VenueRow.id).where(is_another).limit(1)) is None:
                return False
        self._remember_all()
        self.has_several = True
        return True

    def venue_of(self, kind: str, thing_id: str) -> str | None:
        """Return the venue; None where there is no such session or waiter."""
        if not self.has_several:
            return MAIN_VENUE
        found = self._venues.get((kind, thing_id))
        if found is None:
            found = self.look_up(kind, [thing_id]).get(thing_id)
        return found

    def look_up(self, kind: str, ids: Collection[str]) -> dict[str, str]:
        """Read the venue of each id that exists, and remember it."""
        row = _ROWS[kind]
        wanted = [thing_id for thing_id in ids if inputs.is_identifier(thing_id)]
        found: dict[str, str] = {}
        for start in range(0, len(wanted), IDS_AT_ONCE):
            some = wanted[start : start + IDS_AT_ONCE]
            with self._database.reading() as orm:
                rows = orm.execute(select(row.id, row.venue_id).where(row.id.in_(some)))
                found.update((thing_id, venue_id) for thing_id, venue_id in rows)
        for thing_id, venue_id in found.items():
            self._remember(kind, thing_id, venue_id)
        return found

    def _remember(self, kind: str, thing_id: str, venue_id: str) -> None:
        self._venues[kind, thing_id] = venue_id
        if len(self._venues) > MAX_REMEMBERED:
            self._venues.popitem(last=False)

    def _remember_all(self) -> None:
        """Read all waiters and all open sessions, in pages."""
        last_waiter = ""
        while waiters := self._page(_WAITERS, last_id=last_waiter):
            for last_waiter, venue_id in waiters:
                self._remember("waiter", last_waiter, venue_id)
            pause()
        last_place = {"last_venue": "", "last_table": 0}
        while sessions := self._page(_OPEN_SESSIONS, **last_place):
            for session_id, venue_id, table_number in sessions:
                self._remember("session", session_id, venue_id)
                last_place = {"last_venue": venue_id, "last_table": table_number}
            pause()

    def _page(self, statement: Executable, **after: object) -> Sequence[Any]:
        with self._database.reading() as orm:
            return orm.execute(statement, after).all()
