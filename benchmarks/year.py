"""Fills a database with what a restaurant has after a year, without going through the service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any, cast

from sqlalchemy import Table, insert, text

from waiter_service import Database
from waiter_service.store.models import (
    AuditRow,
    Base,
    OrderRow,
    RequestRow,
    SessionRow,
    VenueRow,
    WaiterRow,
)

Row = dict[str, Any]
Progress = Callable[[int, int], None]

DAYS = 365
ORDERS_PER_SESSION = 10
REQUESTS_PER_SESSION = 3
#: The tables that are open now, in each venue.
OPEN_TABLES = 100
#: One session in ten is in the second venue.
VENUES = ("main", "north")
WAITERS_PER_VENUE = 20

# What an order has come to by the next day: some restaurants never mark one as paid.
_ORDERS_ENDED = ["Paid"] * 90 + ["Delivered"] * 6 + ["Cancelled"] * 3 + ["Rejected"]
_REQUESTS_ENDED = ["Done"] * 80 + ["Completed"] * 14 + ["Cancelled"] * 5 + ["New"]
_ORDERS_OPEN = ["New", "Acknowledged", "InProgress", "Complete", "Delivered", "Delivered", "Paid"]
_REQUESTS_OPEN = ["New", "Acknowledged", "InProgress", "OnHold", "Completed", "Done"]
_FINAL = {"Paid", "Cancelled", "Rejected", "Done"}
_SESSIONS_AT_ONCE = 1_000


def fill(
    database: Database,
    sessions: int,
    *,
    now: datetime | None = None,
    progress: Progress = lambda done, total: None,
) -> None:
    """Add ``sessions`` sessions of a year, ten orders and three requests in each.

    ``progress`` is called with the number of sessions that are done, and with all of them.
    """
    now = now or datetime.now(UTC)
    random = Random(1)
    with database.writing() as orm:
        orm.add(VenueRow(id="north", name="North", time_zone="UTC", created_at=now))
        for venue in VENUES:
            for number in range(WAITERS_PER_VENUE):
                orm.add(
                    WaiterRow(
                        id=f"{venue}-{number}",
                        venue_id=venue,
                        name=f"Waiter {number}",
                        created_at=now,
                        on_shift_since=now if number % 2 else None,
                        version=1,
                    )
                )
    made = (_session(random, number, sessions, now) for number in range(sessions))
    done = 0
    while chunk := list(islice(made, _SESSIONS_AT_ONCE)):
        with database.writing() as orm:
            connection = orm.connection()
            for table in (SessionRow, RequestRow, OrderRow, AuditRow):
                rows = [row for each in chunk for row in each.get(table, [])]
                connection.execute(insert(cast("Table", table.__table__)), rows)
        done += len(chunk)
        progress(done, sessions)
    if not database.is_sqlite:
        # As PostgreSQL does by itself, a little later.
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))


def _session(
    random: Random, number: int, sessions: int, now: datetime
) -> dict[type[Base], list[Row]]:
    is_open = number >= sessions - len(VENUES) * OPEN_TABLES
    venue = VENUES[number % 2] if is_open else VENUES[number % 10 == 0]
    table = number // len(VENUES) % OPEN_TABLES + 1 if is_open else random.randint(1, 120)
    age = timedelta(minutes=random.randint(5, 90))
    if not is_open:
        age += timedelta(days=1) + timedelta(days=DAYS) * (sessions - number) / sessions
    opened = now - age
    closed = None if is_open else opened + timedelta(hours=1)
    session = {
        "id": f"session-{random.getrandbits(80):020x}",
        "venue_id": venue,
        "table_number": table,
        "waiter_id": f"{venue}-{random.randrange(WAITERS_PER_VENUE)}",
        "version": 1,
        "opened_at": opened,
        "closed_at": closed,
        "settled_at": closed,
    }
    orders = [
        {
            **_ticket(random, session, "order", _ORDERS_OPEN if is_open else _ORDERS_ENDED),
            "items": [{"name": "Pizza Margherita", "quantity": 2}, {"name": "Tea", "quantity": 1}],
            "item_count": 3,
        }
        for _ in range(ORDERS_PER_SESSION)
    ]
    requests = [
        {
            **_ticket(random, session, "request", _REQUESTS_OPEN if is_open else _REQUESTS_ENDED),
            "kind": f"kind {kind}",
            "kind_key": f"kind {kind}",
        }
        for kind in range(REQUESTS_PER_SESSION)
    ]
    audit = [*_audit(session, orders, "order"), *_audit(session, requests, "request")]
    return {SessionRow: [session], OrderRow: orders, RequestRow: requests, AuditRow: audit}


def _ticket(random: Random, session: Row, prefix: str, statuses: list[str]) -> Row:
    made = session["opened_at"] + timedelta(seconds=random.uniform(0, 280))
    status = random.choice(statuses)
    return {
        "id": f"{prefix}-{random.getrandbits(80):020x}",
        "session_id": session["id"],
        "venue_id": session["venue_id"],
        "note": None,
        "status": status,
        "version": 1,
        "created_at": made,
        "updated_at": made,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "completed_at": None,
        "finished_at": made + timedelta(minutes=30) if status in _FINAL else None,
    }


def _audit(session: Row, tickets: list[Row], kind: str) -> Iterator[Row]:
    for ticket in tickets:
        yield {
            "occurred_at": ticket["created_at"],
            "actor_kind": "waiter",
            "actor_id": session["waiter_id"],
            "action": f"{kind}_status",
            "subject_kind": kind,
            "subject_id": ticket["id"],
            "venue_id": session["venue_id"],
            "session_id": session["id"],
            "from_value": None,
            "to_value": ticket["status"],
            "version": 1,
            "reason": None,
        }
