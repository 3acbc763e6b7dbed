"""Stop, restart and reload: every stream gets its closing event, and no event is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial

from tests.support.crowd import Crowd, Member
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

STREAMS = 1000
# Longer than a test. No test waits for it, because no process takes over the streams.
DRAIN_SECONDS = 60.0
# The time that a worker needs to notice SIGTERM, and that a busy machine may add.
SLACK_SECONDS = 3.0
# The time until gunicorn's master has noticed, and both interpreters have ended.
EXIT_SECONDS = 8.0


def places(
    server: ServiceServer, members: Sequence[Member] = (), *, number: int = STREAMS
) -> list[tuple[str, str, str | None]]:
    """Return the streams of the guest at table 7, of anna and of many other guests.

    With ``members``, they resume from the places of those members.
    """
    paths = [f"/sse/session/guest-{n}" for n in range(number - 2)]
    paths = ["/sse/session/table-7", "/sse/waiter/anna", *paths]
    ids: list[str | None] = [member.last_event_id for member in members] or [None] * number
    found: list[tuple[str, str, str | None]] = []
    for path, last_event_id in zip(paths, ids, strict=True):
        _, _, kind, subject = path.split("/")
        role = "customer" if kind == "session" else "waiter"
        found.append((path, server.token(role, subject), last_event_id))
    return found


def statuses(*visits: Member) -> list[str]:
    return [event.data["status"] for member in visits for event in member.of_type("order_update")]


def have_received(number: int, *visits: Member) -> bool:
    return len(statuses(*visits)) >= number


def assert_sent_away(members: Sequence[Member], *, back_in_ms: tuple[int, int]) -> None:
    for member in members:
        closing = member.events[-1]
        assert closing.type == "closing", member.path
        assert (closing.data["code"], closing.data["reconnect"]) == ("draining", True)
        assert back_in_ms[0] <= closing.data["reconnectInMs"] <= back_in_ms[1]
        assert member.is_complete, f"{member.path} was cut off"


def assert_no_trouble(server: ServiceServer) -> None:
    for trouble in ("SIGKILL", "WORKER TIMEOUT", "Worker graceful timeout", " ERROR "):
        assert trouble not in server.log, server.log[-3000:]


def test_thousand_streams_without_a_successor_close_together_and_miss_nothing(
    start_own: Callable[..., ServiceServer], tell: Callable[[str], None]
) -> None:
    server = start_own(SSE_DRAIN_SECONDS=DRAIN_SECONDS)
    with Crowd(server.url) as crowd:
        members = crowd.gather(places(server), timeout=30)
        guest, anna = members[:2]
        server.service.update_order_status("ord-1", "Acknowledged")
        wait_until(lambda: statuses(guest) and statuses(anna))

        # The refresh of that change is still pending.
        os.kill(server.pid, signal.SIGTERM)
        stopped_at = time.monotonic()
        crowd.wait_for_all(members, lambda member: member.ended_at is not None, 30)
        assert server.wait_exit(EXIT_SECONDS) == 0
        exited_after = time.monotonic() - stopped_at

        moments = sorted(member.ended_at - stopped_at for member in members if member.ended_at)
        tell(
            f"{STREAMS} streams: first sent away after {moments[0]:.2f} s, half of them after "
            f"{moments[STREAMS // 2]:.2f} s, the last after {moments[-1]:.2f} s; "
            f"exit after {exited_after:.2f} s"
        )
        assert_sent_away(members, back_in_ms=(600, 1200))
        waits = {member.events[-1].data["reconnectInMs"] for member in members}
        assert len(waits) > STREAMS / 4, "the clients would reconnect at the same moment"
        for member in (guest, anna):
            told = [event.type for event in member.events if event.type != "heartbeat"]
            assert told == [
                "connection",
                "order_update",
                "cache_refresh",
                "closing",
            ]
        assert " drained" in server.log
        assert_no_trouble(server)

        # Changes continue while no process serves.
        server.service.update_order_status("ord-1", "InProgress")
        server.restart()
        again = crowd.gather(places(server, members), timeout=30)
        server.service.update_order_status("ord-1", "Complete")
        expected = ["Acknowledged", "InProgress", "Complete"]
        for before, after in zip(members[:2], again[:2], strict=True):
            wait_until(partial(have_received, 3, before, after), 10)
            assert statuses(before, after) == expected
            assert after.events[0].data["resumed"] is True
        others = {event.type for member in again[2:] for event in member.events}
        assert others <= {"connection", "heartbeat"}, "no other stream gets a resync"
        assert sum(member.events[0].data["resumed"] for member in again) == STREAMS


def test_old_worker_serves_during_a_reload_until_the_new_one_takes_over(
    start_own: Callable[..., ServiceServer],
) -> None:
    server = start_own(SSE_DRAIN_SECONDS=DRAIN_SECONDS)
    [old_worker] = server.worker_pids
    with Crowd(server.url) as crowd:
        members = crowd.gather(places(server, number=40))
        server.service.update_order_status("ord-1", "Acknowledged")
        wait_until(lambda: statuses(members[0]))

        os.kill(server.pid, signal.SIGHUP)
        wait_until(lambda: server.log.count("Booting worker") == 2, 10, "no new worker")
        # While the new worker starts, the old one relays and accepts new streams.
        newcomer = crowd.gather([("/sse/waiter/ben", server.token("waiter", "ben"), None)])[0]
        server.service.update_order_status("ord-1", "InProgress")
        wait_until(lambda: "draining" in server.log, 20, "the old worker does not drain")
        server.service.update_order_status("ord-1", "Complete")

        everyone = [*members, newcomer]
        crowd.wait_for_all(everyone, lambda member: member.ended_at is not None, 20)
        # The new worker is already waiting.
        assert_sent_away(everyone, back_in_ms=(200, 500))
        # A client that connects now waits for the new worker and is not refused.
        again = crowd.gather(places(server, members, number=40))
        wait_until(lambda: old_worker not in server.worker_pids, 20, "the old worker stays")
        server.service.update_order_status("ord-1", "Delivered")
        expected = ["Acknowledged", "InProgress", "Complete", "Delivered"]
        for before, after in zip(members[:2], again[:2], strict=True):
            wait_until(partial(have_received, 4, before, after), 10)
            assert statuses(before, after) == expected
            assert after.events[0].data["resumed"] is True
        assert server.open_streams() == 40
    assert_no_trouble(server)


def test_stop_does_not_wait_for_a_stalled_reader(
    start_own: Callable[..., ServiceServer],
) -> None:
    server = start_own(SSE_DRAIN_SECONDS=0.5)
    stalled = server.listen_session("table-7", receive_buffer_bytes=4096)
    stalled.pause()
    reading = server.listen_session("table-7")
    for status in ("Acknowledged", "New") * 100:
        server.service.update_order_status("ord-1", status)
    wait_until(lambda: len(reading.of_type("order_update")) == 200, 20)
    os.kill(server.pid, signal.SIGTERM)
    reading.wait_ended(0.5 + SLACK_SECONDS)
    assert server.wait_exit(EXIT_SECONDS) == 0
    assert reading.events[-1].type == "closing"
    assert_no_trouble(server)


def test_interrupt_closes_all_streams_at_once(
    start_own: Callable[..., ServiceServer],
) -> None:
    """Ctrl-C in a terminal reaches the master and its workers at the same time."""
    server = start_own(SSE_DRAIN_SECONDS=60)
    clients = [server.listen_waiter("anna") for _ in range(5)]
    os.killpg(server.pid, signal.SIGINT)
    for client in clients:
        client.wait_ended(5)
        assert client.events[-1].data["code"] == "draining"
    assert server.wait_exit(10) == 0
    assert_no_trouble(server)
