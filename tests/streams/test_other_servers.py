"""Streams under a WSGI server other than gunicorn."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.service_server import ServiceServer


def test_flask_development_server_streams_a_monkey_patched_application(
    start_server: Callable[..., ServiceServer],
) -> None:
    """It answers each request in a thread. Unpatched, each thread would have its own event loop."""
    server = start_server(start=False)
    server.command = ["flask", "--app", "wsgi", "run", "--port", str(server.port)]
    server.start()  # its health check starts the serving
    anna = server.listen_waiter("anna")
    server.service.update_order_status("ord-1", "InProgress")
    assert anna.next("order_update").data["status"] == "InProgress"
    server.kill()  # it cannot be stopped in another way
