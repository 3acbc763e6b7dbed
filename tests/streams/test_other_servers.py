"""Streams under another WSGI server than gunicorn, as far as that goes."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.service_server import ServiceServer


def test_flasks_own_server_streams_if_it_serves_what_is_monkey_patched(
    start_server: Callable[..., ServiceServer],
) -> None:
    """It answers each request in a thread: unpatched, each would have an event loop of its own."""
    server = start_server(start=False)
    server.command = ["flask", "--app", "wsgi", "run", "--port", str(server.port)]
    server.start()  # which asks for its health: that begins to serve
    anna = server.listen_waiter("anna")
    server.service.update_order_status("ord-1", "InProgress")
    assert anna.next("order_update").data["status"] == "InProgress"
    server.kill()  # it knows no other end
