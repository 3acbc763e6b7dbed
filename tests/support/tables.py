"""A table with a session, a request and an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from tests.support.shared_server import SharedServer
from tests.support.sse_client import SseClient
from waiter_service import WaiterService


@dataclass
class Table:
    """A session with one request and one order, its waiter, and a colleague."""

    number: int
    session_id: str
    waiter_id: str
    colleague_id: str
    request_id: str
    order_id: str
    server: SharedServer | None = None
    is_acknowledged: bool = False

    @classmethod
    def seat(cls, service: WaiterService, number: int) -> Self:
        """Open a session at table ``number``, with a request for water and an order."""
        table = cls(
            number,
            session_id=f"table-{number}",
            waiter_id=f"waiter-{number}",
            colleague_id=f"colleague-{number}",
            request_id=f"req-{number}",
            order_id=f"ord-{number}",
        )
        service.add_waiter(table.waiter_id, "Willa")
        service.add_waiter(table.colleague_id, "Conny")
        service.open_session(number, table.waiter_id, session_id=table.session_id)
        service.create_request(table.session_id, "water", request_id=table.request_id)
        service.place_order(
            table.session_id, [{"name": "Margherita", "quantity": 3}], order_id=table.order_id
        )
        return table

    @property
    def house(self) -> SharedServer:
        assert self.server is not None, "the table has no server"
        return self.server

    @property
    def service(self) -> WaiterService:
        """A waiter service like that of another process."""
        return self.house.service

    def listen_guest(self, **kwargs: Any) -> SseClient:
        return self.house.listen_session(self.session_id, **kwargs)

    def listen_waiter(self, **kwargs: Any) -> SseClient:
        return self.house.listen_waiter(self.waiter_id, **kwargs)

    def listen_colleague(self, **kwargs: Any) -> SseClient:
        return self.house.listen_waiter(self.colleague_id, **kwargs)

    def move_order(self, *statuses: str) -> None:
        """Move the order to each of ``statuses`` in turn."""
        for status in statuses:
            assert self.service.update_order_status(self.order_id, status).changed

    def toggle_order(self, times: int) -> None:
        """Move the order back and forth ``times`` times; each move raises its version by one."""
        for _ in range(times):
            self.move_order("New" if self.is_acknowledged else "Acknowledged")
            self.is_acknowledged = not self.is_acknowledged
