"""The costs of streams for the whole process, with gunicorn's share, as the kernel counts them."""

from __future__ import annotations

import http.client
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from tests.support.crowd import Crowd, Member
from tests.support.service_server import ServiceServer

#: Kibibytes of a worker's memory for one more idle stream. Measured: 2.0. A greenlet that
#: stayed behind would add eight.
MOST_KIB_PER_STREAM = 5.0


def memory_kib(pid: int) -> int:
    """Return the memory that only this process uses (PSS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def write_calls(pid: int) -> int:
    """Return how many write calls the process has made."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("syscw:"))


def test_stream_keeps_no_memory_of_its_request(server: ServiceServer) -> None:
    def some(number: int) -> list[tuple[str, str, None]]:
        return [
            (f"/sse/session/guest-{each}", server.token("customer", f"guest-{each}"), None)
            for each in range(number)
        ]

    [worker] = server.worker_pids
    with Crowd(server.url) as crowd:
        # The first streams use memory that is free since the start. The others are so many that
        # what the process loads only once, by the clock, counts for little.
        crowd.gather(some(200))
        before = memory_kib(worker)
        crowd.gather(some(1800))
        assert (memory_kib(worker) - before) / 1800 < MOST_KIB_PER_STREAM


def has_heard_all(member: Member) -> bool:
    """Whether three updates have come, and after the last of them the refresh."""
    types = [event.type for event in list(member.events) if event.type != "heartbeat"]
    return types.count("order_update") == 3 and types[-1] == "cache_refresh"


def test_event_costs_one_write_per_stream(server: ServiceServer) -> None:
    [worker] = server.worker_pids
    token = server.token("customer", "table-7")
    with Crowd(server.url) as crowd:
        members = crowd.gather([("/sse/session/table-7", token, None)] * 200)
        before = write_calls(worker)
        for status in ("Acknowledged", "InProgress", "Complete"):
            server.service.update_order_status("ord-1", status)
        crowd.wait_for_all(members, has_heard_all)
        deliveries = sum(len(member.events) - 1 for member in members)
        writes = write_calls(worker) - before
    # The other writes are a few log lines and those of the database.
    assert writes < deliveries + 200


def watched_descriptors(pid: int) -> int:
    """Return how many descriptors the process watches (the entries of epoll)."""
    count = 0
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # the descriptor was closed in between
            count += path.read_text().count("tfd:")
    return count


def test_stream_on_a_used_connection_leaves_no_stale_entry_in_epoll(
    server: ServiceServer,
) -> None:
    """With the first event on a stale entry, libev would register every open socket again."""
    [worker] = server.worker_pids
    headers = {"Authorization": f"Bearer {server.token('customer', 'table-7')}"}
    before = watched_descriptors(worker)
    with ExitStack() as stack:
        for way in ({}, {"Origin": "http://elsewhere"}) * 10:
            wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            stack.enter_context(closing(wire))
            wire.request("POST", "/sse/token", headers=headers)
            assert wire.getresponse().read()
            wire.request("GET", "/sse/session/table-7", headers=headers | way)
            answer = stack.enter_context(closing(wire.getresponse()))
            assert answer.readline().startswith(b"retry: ")
        assert watched_descriptors(worker) <= before + 20
