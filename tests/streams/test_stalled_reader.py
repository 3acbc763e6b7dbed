"""A reader that stops costs the others nothing, and its stream is closed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from tests.support.crowd import Crowd, Member
from tests.support.metrics import Figures
from tests.support.programs import find_program
from tests.support.shared_server import SharedServer
from tests.support.tables import Table
from tests.support.waiting import wait_until

READERS = 49
TABLES = 40
PROBES = 15


def curl(house: SharedServer, table: Table) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            find_program("curl"),
            *("--silent", "--no-buffer", f"{house.url}/sse/waiter/{table.waiter_id}"),
            *("--header", f"Authorization: Bearer {house.token('waiter', table.waiter_id)}"),
        ],
        stdout=subprocess.DEVNULL,
    )


def has_heard_more(member: Member, before: int) -> bool:
    return len(member.of_type("order_update")) > before


def latencies_ms(table: Table, members: list[Member]) -> list[float]:
    """Change the order through the API; return how long each change took to reach each reader."""
    token = table.house.token("waiter", table.waiter_id)
    found = []
    for _ in range(PROBES):
        status = "New" if table.is_acknowledged else "Acknowledged"
        table.is_acknowledged = not table.is_acknowledged
        heard_before = [len(member.of_type("order_update")) for member in members]
        changed_at = time.monotonic()
        answer = table.house.request(
            "PATCH", f"/api/orders/{table.order_id}", token=token, json={"status": status}
        )
        assert answer.ok, answer.text
        for member, before in zip(members, heard_before, strict=True):
            wait_until(partial(has_heard_more, member, before))
            found.append((member.of_type("order_update")[before].received_at - changed_at) * 1000)
    return found


def flood(table: Table) -> None:
    """Transfer many tables to a colleague and back: as many events as tables, at once."""
    for to_waiter_id in (table.colleague_id, table.waiter_id):
        table.service.transfer_sessions(
            to_waiter_id=to_waiter_id,
            session_ids=[f"flood-{table.number}-{n}" for n in range(TABLES)],
        )


def wait_for_transfers(crowd: Crowd, members: list[Member], number: int) -> None:
    crowd.wait_for_all(members, lambda member: len(member.of_type("session_transfer")) == number)


def ids_of(member: Member) -> tuple[str, ...]:
    """Return the ids of all events of a member. Heartbeats have none, so they do not count."""
    return tuple(event.id for event in list(member.events) if event.id is not None)


def closed_streams(house: SharedServer) -> float:
    figures = Figures.of(house)
    return sum(
        figures.value("streams_closed_total", reason=reason)
        for reason in ("mailbox_full", "write_stalled")
    )


def test_suspended_reader_delays_none_of_fifty_others(
    house: SharedServer, table: Table, tell: Callable[[str], None]
) -> None:
    for n in range(TABLES):
        table.service.open_session(
            2000 + n, table.waiter_id, session_id=f"flood-{table.number}-{n}"
        )
    token = house.token("waiter", table.waiter_id)
    closed_before = closed_streams(house)
    [worker] = house.worker_pids
    with Crowd(house.url) as crowd:
        path = f"/sse/waiter/{table.waiter_id}"
        members = list(crowd.gather([(path, token, None)] * READERS))
        suspended = curl(house, table)
        try:
            wait_until(lambda: house.open_streams() == READERS + 1)
            before = latencies_ms(table, members)
            os.kill(suspended.pid, signal.SIGSTOP)
            resident_before = resident_mb(worker)

            stalled, flooded = [], 0
            give_up_at = time.monotonic() + 60
            while house.open_streams() > READERS:
                assert time.monotonic() < give_up_at, "the suspended reader is not closed"
                flood(table)
                flooded += 2 * TABLES
                wait_for_transfers(crowd, members, flooded)
                stalled += latencies_ms(table, members[:5])
            after = latencies_ms(table, members)
        finally:
            suspended.kill()
            suspended.wait(10)

        tell(
            f"latency in ms, p50/max over {READERS} readers: {shown(before)}; "
            f"while one is stalled {shown(stalled)}; after it was closed {shown(after)}"
        )
        # No reader waited for the suspended one: wait_until saw each event within half of the ten
        # seconds that the suspended one has. All the others received everything.
        wait_until(lambda: len({ids_of(member) for member in members}) == 1)
        assert all(member.ended_at is None for member in members)

    assert closed_streams(house) == closed_before + 1
    [line] = [line for line in house.log.splitlines() if "mailbox_full" in line][-1:]
    assert " WARNING " in line
    assert "client=127.0.0.1" in line
    assert int(re.search(r"pending=(\d+)", line)[1]) >= 256  # type: ignore[index]
    assert resident_mb(worker) < resident_before + 20


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def shown(values: list[float]) -> str:
    return f"{median(values):.1f}/{max(values):.0f}"


def test_client_that_reads_again_in_time_misses_nothing(table: Table) -> None:
    """A phone in a tunnel stops and continues. No event is lost and no stream is closed."""
    client = table.listen_guest(receive_buffer_bytes=4096)
    client.pause()
    table.toggle_order(200)
    client.resume()
    wait_until(lambda: len(client.of_type("order_update")) == 200, 10)
    versions = [event.data["version"] for event in client.of_type("order_update")]
    assert versions == list(range(2, 202))
    assert not client.has_ended


def test_closed_reader_reconnects_and_misses_nothing(table: Table) -> None:
    client = table.listen_guest(receive_buffer_bytes=4096)
    client.pause()
    table.toggle_order(1)
    written = 1
    while table.house.open_streams():
        table.toggle_order(100)
        written += 100
        assert written < 3000, "the stream is never closed"
    client.resume()
    wait_until(lambda: client.has_ended)
    seen = [event.data["version"] for event in client.of_type("order_update")]
    assert seen == list(range(2, len(seen) + 2))

    again = table.listen_guest(last_event_id=client.last_event_id)
    wait_until(lambda: len(seen) + len(again.of_type("order_update")) >= written, 10)
    seen += [event.data["version"] for event in again.of_type("order_update")]
    assert seen == list(range(2, written + 2))
