"""A server that dies between a change and its announcement loses nothing."""

from __future__ import annotations

import os
import signal

from sqlalchemy import select, update

from tests.support.service_server import ServiceServer
from tests.support.sse_client import SseClient
from tests.support.waiting import wait_until
from waiter_service.store.models import OutboxRow


def freeze(server: ServiceServer) -> None:
    """Keep the server from announcing changes that are committed from now on."""
    for pid in server.worker_pids:
        os.kill(pid, signal.SIGSTOP)


def listen_from_the_beginning(server: ServiceServer, waiter_id: str) -> SseClient:
    """Follow a waiter's stream with everything in its history."""
    fresh = server.listen_waiter(waiter_id)
    epoch = fresh.last_event_id.rpartition("-")[0]
    fresh.close()
    return server.listen_waiter(waiter_id, last_event_id=f"{epoch}-0")


def wait_until_announced(server: ServiceServer) -> None:
    wait_until(lambda: server.service.pending_count() == 0, 10, "changes are not announced")


def test_change_not_announced_before_a_crash_is_announced_once_after_it(
    server: ServiceServer,
) -> None:
    guest, anna = server.listen_session("table-7"), server.listen_waiter("anna")
    freeze(server)
    server.service.update_order_status("ord-1", "InProgress")
    server.service.update_order_status("ord-1", "Complete")
    server.kill()
    for client in (guest, anna):
        assert client.of_type("order_update") == []

    server.start()
    wait_until_announced(server)
    again = listen_from_the_beginning(server, "anna")
    again.next("cache_refresh")
    assert [event.data["status"] for event in again.of_type("order_update")] == [
        "InProgress",
        "Complete",
    ]
    again.expect_nothing(0.5, "cache_refresh")


def test_client_that_reconnects_after_a_crash_gets_a_resync_and_later_events(
    server: ServiceServer,
) -> None:
    anna = server.listen_waiter("anna")
    server.service.update_order_status("ord-1", "InProgress")
    anna.next("cache_refresh")
    freeze(server)
    server.service.update_order_status("ord-1", "Complete")
    server.kill()
    anna.close()

    server.start()
    wait_until_announced(server)
    again = server.listen_waiter("anna", last_event_id=anna.last_event_id)
    assert again.events[0].data["resumed"] is False
    assert again.next("cache_refresh").data["affectedData"] == ["all"]
    server.service.update_order_status("ord-1", "Delivered")
    assert again.next("order_update").data["status"] == "Delivered"
    assert len(again.of_type("cache_refresh")) <= 2


def test_next_process_announces_a_claimed_change_of_the_dead_one_at_once(
    server: ServiceServer,
) -> None:
    """The next process holds the lock of the folder, so no other process can be announcing."""
    freeze(server)
    server.service.update_order_status("ord-1", "InProgress")
    with server.service.database.writing() as orm:
        orm.execute(update(OutboxRow).values(claimed_by="a dead process", attempts=1))
    server.kill()
    server.start()
    wait_until_announced(server)
    again = listen_from_the_beginning(server, "anna")
    assert again.next("order_update").data["status"] == "InProgress"
    with server.service.database.reading() as orm:
        assert orm.scalars(select(OutboxRow.id)).all() == []


def test_killed_worker_is_replaced_and_its_clients_reconnect(
    server: ServiceServer,
) -> None:
    anna = server.listen_waiter("anna")
    [worker] = server.worker_pids
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: anna.has_ended, 5)
    wait_until(lambda: worker not in server.worker_pids and server.get("/sse/health").ok, 20)

    again = server.listen_waiter("anna", last_event_id=anna.last_event_id)
    assert again.next("cache_refresh").data["affectedData"] == ["all"]
    server.service.update_order_status("ord-1", "InProgress")
    again.next("order_update")
    server.expected_errors.append("was sent SIGKILL")
