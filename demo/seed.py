"""The demo restaurant's waiters, tables, and first requests and orders."""

from __future__ import annotations

from sqlalchemy import select

from waiter_service import WaiterService
from waiter_service.store.models import WaiterRow

#: The waiters, and the sessions that each begins with.
WAITERS = ("anna", "ben")
SESSIONS = ("table-5", "table-7", "table-9")


def seed(service: WaiterService) -> bool:
    """Fill an empty restaurant; return whether it was empty.

    If there is a waiter already, the restaurant is in use and nothing is changed.
    """
    with service.database.reading() as orm:
        if orm.scalar(select(WaiterRow.id).limit(1)) is not None:
            return False

    service.add_waiter("anna", "Anna")
    service.add_waiter("ben", "Ben")
    service.open_session(5, "anna", session_id="table-5")
    service.open_session(7, "anna", session_id="table-7")
    service.open_session(9, "ben", session_id="table-9")
    # Only requests that the demo page's guest cannot make: a table has one open request of a kind.
    service.create_request("table-7", "napkins", request_id="req-1")
    service.place_order(
        "table-7",
        [{"name": "Margherita", "quantity": 2}, {"name": "Lemonade", "quantity": 1}],
        order_id="ord-1",
    )
    return True
