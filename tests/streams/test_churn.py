"""Clients connect and disconnect while events flow: none is missed, and nothing is left behind.

``CHURN_SECONDS=600`` runs it for ten minutes.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.crowd import Crowd, Member
from tests.support.metrics import Figures
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

SECONDS = float(os.environ.get("CHURN_SECONDS", "6"))
CLIENTS = 60
# Memory is measured after the first third, when everything has been used once.
WARM_UP = 1 / 3
# Memory that caches and one page of histories may still add.
GROWTH_MB = 12.0


class Churner:
    """One client over many visits. It keeps only what it must check."""

    def __init__(self, path: str, token: str) -> None:
        self.path = path
        self.token = token
        self.member: Member | None = None
        self.last_event_id: str | None = None
        self.version = 0
        self.visits = 0
        self.resyncs = 0

    def __repr__(self) -> str:
        member = self.member
        heard = member and [
            (each.type, each.id, each.data.get("version")) for each in member.events
        ]
        return (
            f"{self.path} at {self.version} ({self.last_event_id}), visit {self.visits}: "
            f"status {member and member.status}, ended {member and member.ended_at}, {heard}"
        )

    def come(self, crowd: Crowd) -> None:
        [self.member] = crowd.join([(self.path, self.token, self.last_event_id)])
        self.visits += 1

    def leave(self, crowd: Crowd) -> None:
        """Vanish, and compare the events of this visit with those of the earlier ones."""
        assert self.member is not None
        crowd.drop([self.member])
        assert self.member.failure is None, self.member.failure
        for event in list(self.member.events):
            # Events that arrive after this copy was made count as not read.
            self.last_event_id = event.id or self.last_event_id
            if event.type == "order_update":
                version = event.data["version"]
                assert self.version in (0, version - 1), f"{version} after {self.version}"
                self.version = version
            elif event.type == "cache_refresh" and event.data["affectedData"] == ["all"]:
                self.resyncs += 1
        self.member = None


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.timeout(SECONDS + 180)
def test_churn_leaves_gauges_at_zero_and_memory_flat(
    start_own: Callable[..., ServiceServer], tell: Callable[[str], None]
) -> None:
    server = start_own()
    [worker] = server.worker_pids
    changes, is_over = 0, threading.Event()

    def work() -> None:
        nonlocal changes
        while not is_over.is_set():
            status = "New" if changes % 2 else "Acknowledged"
            server.service.update_order_status("ord-1", status)
            changes += 1
            is_over.wait(0.01)

    guest, anna = server.token("customer", "table-7"), server.token("waiter", "anna")
    churners = [
        Churner("/sse/session/table-7", guest) if n % 2 else Churner("/sse/waiter/anna", anna)
        for n in range(CLIENTS)
    ]
    dice = random.Random(7)
    floor = threading.Thread(target=work)
    floor.start()
    try:
        with Crowd(server.url) as crowd:
            for churner in churners:
                churner.come(crowd)
            # Every client now has a place to return to. From here on it must not miss an event.
            members = [churner.member for churner in churners if churner.member is not None]
            crowd.wait_for_all(members, lambda member: bool(member.events))
            started = time.monotonic()
            measured_mb = 0.0
            while (elapsed := time.monotonic() - started) < SECONDS:
                if not measured_mb and elapsed > SECONDS * WARM_UP:
                    measured_mb = resident_mb(worker)
                for churner in dice.sample(churners, 6):
                    churner.leave(crowd)
                    churner.come(crowd)
                # A client leaves sometimes before its greeting arrives, sometimes long after.
                time.sleep(dice.choice((0.0, 0.005, 0.05)))
            is_over.set()
            floor.join(10)
            # The last visit brings every client up to date.
            for churner in churners:
                churner.leave(crowd)
                churner.come(crowd)
            final = changes + 1
            for churner in churners:
                wait_until(
                    partial(is_up_to_date, churner, final),
                    20,
                    partial("up to date is {}, not {}".format, final, churner),
                )
                churner.leave(crowd)
    finally:
        is_over.set()
        floor.join(10)

    visits = sum(churner.visits for churner in churners)
    wait_until(lambda: server.open_streams() == 0, 2, "streams are still counted")
    figures = Figures.of(server)
    grown_mb = resident_mb(worker) - measured_mb
    tell(
        f"{visits} visits of {CLIENTS} clients, {changes} changes in {SECONDS:g} s; "
        f"memory {measured_mb:.0f} MB, {grown_mb:+.1f} MB since the first third"
    )
    assert sum(churner.resyncs for churner in churners) == 0
    assert {churner.version for churner in churners} == {final}
    assert grown_mb < GROWTH_MB
    assert figures.value("streams_open") == 0
    closed = figures.value("streams_closed_total")
    assert closed == figures.value("streams_opened_total")


def is_up_to_date(churner: Churner, version: int) -> bool:
    member = churner.member
    assert member is not None
    updates = member.of_type("order_update")
    newest = updates[-1].data["version"] if updates else churner.version
    return bool(member.events) and newest >= version
