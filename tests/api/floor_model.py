"""A model of the floor's rules in dictionaries, written from the contract, not from the code.

Each method returns how the API must answer, and updates the model accordingly.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# For each status: what staff may set, what guests may set, what only managers may set.
REQUEST_MOVES = {
    "New": ("Acknowledged InProgress Completed OnHold Cancelled", "Cancelled", ""),
    "Acknowledged": ("InProgress Completed OnHold Cancelled New", "Cancelled", ""),
    "InProgress": ("Completed OnHold Cancelled Acknowledged", "", ""),
    "OnHold": ("Acknowledged InProgress Completed Cancelled", "Cancelled", ""),
    "Completed": ("Done InProgress", "Done", ""),
    "Done": ("", "", ""),
    "Cancelled": ("", "", ""),
}
ORDER_MOVES = {
    "New": ("Acknowledged InProgress Rejected Cancelled", "Cancelled", ""),
    "Acknowledged": ("InProgress Rejected Cancelled New", "", ""),
    "InProgress": ("Complete Cancelled Acknowledged", "", ""),
    "Complete": ("Delivered InProgress", "", "Cancelled"),
    "Delivered": ("Paid Complete", "", "Cancelled"),
    "Paid": ("", "", ""),
    "Cancelled": ("", "", ""),
    "Rejected": ("", "", ""),
}
# A guest who waits for such a request has no reason to make it again.
WAITED_FOR = {"New", "Acknowledged", "InProgress", "OnHold"}
TO_BE_SERVED = {"New", "Acknowledged", "InProgress", "Complete"}
# Orders that still have to be served.
MAX_ORDERS = 100
# What a floor shows.
ON_THE_FLOOR = {"requests": {*WAITED_FOR, "Completed"}}
ON_THE_FLOOR["orders"] = {"New", "Acknowledged", "InProgress", "Complete", "Delivered"}


@dataclass(frozen=True)
class Who:
    """``role`` is guest, waiter or manager; ``id`` a session's or a waiter's."""

    role: str
    id: str


@dataclass
class Sitting:
    """A session."""

    table: int
    waiter: str
    version: int = 1
    is_open: bool = True
    came_from: str | None = None


@dataclass
class Ticket:
    """A request or an order; ``sort`` is "requests" or "orders"."""

    sort: str
    session: str
    kind: str = ""
    status: str = "New"
    version: int = 1


@dataclass
class FloorModel:
    """The state of the floor, and the answers that it requires."""

    waiters: tuple[str, ...]
    sessions: dict[str, Sitting] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)

    def is_theirs(self, who: Who, session_id: str) -> bool:
        session = self.sessions.get(session_id)
        if session is None:
            return False
        if who.role == "guest":
            return who.id == session_id
        return who.role == "manager" or who.id == session.waiter

    def allowed(self, who: Who, ticket: Ticket) -> set[str]:
        moves = (REQUEST_MOVES if ticket.sort == "requests" else ORDER_MOVES)[ticket.status]
        staff, guest, manager = (set(each.split()) for each in moves)
        if who.role == "guest":
            return guest if self.sessions[ticket.session].is_open else set()
        return staff | manager if who.role == "manager" else staff

    def open_table(self, who: Who, table: int, waiter: str | None) -> int:
        if who.role == "guest":
            return 403
        if waiter is None and who.role == "manager":
            return 422
        waiter = waiter or who.id
        if (who.role == "waiter" and waiter != who.id) or waiter not in self.waiters:
            return 404
        if any(each.is_open and each.table == table for each in self.sessions.values()):
            return 409
        return 201

    def left(self, session_id: str) -> set[str]:
        """Return the orders that still have to be served."""
        return {
            id_
            for id_, ticket in self.tickets.items()
            if (ticket.session, ticket.sort) == (session_id, "orders")
            and ticket.status in TO_BE_SERVED
        }

    def is_on_floor(self, session_id: str) -> bool:
        return self.sessions[session_id].is_open or bool(self.left(session_id))

    def reopen(self, who: Who, session_id: str) -> int:
        if who.role == "guest":
            return 403
        if not self.is_theirs(who, session_id):
            return 404
        session = self.sessions[session_id]
        if not session.is_open:
            if any(each.is_open and each.table == session.table for each in self.sessions.values()):
                return 409
            session.version += 1
            session.is_open = True
        return 200

    def close(self, who: Who, session_id: str, *, force: bool) -> int:
        if who.role == "guest":
            return 403
        if not self.is_theirs(who, session_id):
            return 404
        session = self.sessions[session_id]
        if session.is_open and not force and self.left(session_id):
            return 409
        session.version += session.is_open
        session.is_open = False
        return 200

    def ask(self, who: Who, session_id: str, kind: str) -> tuple[int, str | None]:
        """Return the HTTP status, and the open request that is returned instead of a new one."""
        if not self.is_theirs(who, session_id):
            return 404, None
        if not self.sessions[session_id].is_open:
            return 409, None
        for ticket_id, ticket in self.tickets.items():
            if (ticket.session, ticket.kind) == (session_id, kind) and ticket.status in WAITED_FOR:
                return 200, ticket_id
        return 201, None

    def order(self, who: Who, session_id: str) -> int:
        if not self.is_theirs(who, session_id):
            return 404
        is_limited = who.role != "manager" and len(self.left(session_id)) >= MAX_ORDERS
        return 201 if self.sessions[session_id].is_open and not is_limited else 409

    def move(self, who: Who, ticket_id: str, status: str, expected_version: int | None) -> int:
        ticket = self.tickets[ticket_id]
        if status not in (REQUEST_MOVES if ticket.sort == "requests" else ORDER_MOVES):
            return 422
        if not self.is_theirs(who, ticket.session):
            return 404
        if who.role == "guest" and not self.sessions[ticket.session].is_open:
            return 409
        if expected_version not in (None, ticket.version):
            return 409
        if status == ticket.status:
            return 200
        if status not in self.allowed(who, ticket):
            return 409
        ticket.status = status
        ticket.version += 1
        return 200

    def transfer(
        self, who: Who, giver: str, taker: str, session_ids: list[str] | None
    ) -> tuple[int, set[str]]:
        """Return the HTTP status, and the sessions that were transferred."""
        if who.role == "guest":
            return 403, set()
        if (who.role == "waiter" and who.id != giver) or not {giver, taker} <= {*self.waiters}:
            return 404, set()
        if session_ids is None:
            wanted = {
                id_
                for id_, each in self.sessions.items()
                if each.waiter == giver and self.is_on_floor(id_)
            }
        elif all(self._may_go(id_, giver, taker) for id_ in session_ids):
            wanted = {id_ for id_ in session_ids if self.sessions[id_].waiter == giver}
        else:
            return 409, set()
        moved = wanted if giver != taker else set()
        for session_id in moved:
            session = self.sessions[session_id]
            session.waiter, session.came_from = taker, giver
            session.version += 1
        return 200, moved

    def _may_go(self, session_id: str, giver: str, taker: str) -> bool:
        session = self.sessions.get(session_id)
        if session is None:
            return False
        if session.waiter == giver and self.is_on_floor(session_id):
            return True
        # Repeating a finished transfer is allowed, and does nothing.
        return session.waiter == taker and session.came_from == giver
