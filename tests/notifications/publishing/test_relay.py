"""Which process relays, when it flushes the outbox, and when it pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import gevent
import pytest

from notifications.publishing import relay as module
from notifications.publishing.relay import (
    MAX_SIDE_BY_SIDE,
    ExclusiveRelay,
    Relay,
    SharedRelay,
    side_by_side,
)
from waiter_service.actors import SYSTEM
from waiter_service.changes import SessionOpened
from waiter_service.errors import DatabaseUnavailable

CHANGE = SessionOpened(
    id="c-1",
    session_id="table-7",
    waiter_id="anna",
    table_number=7,
    version=1,
    actor=SYSTEM,
    occurred_at=datetime.now(UTC),
)


class Floor:
    """Records, in order, what a relay calls on the waiter service."""

    def __init__(self, told: list[str]) -> None:
        self.told = told
        self.calls: list[str] = []
        self.failure: Exception | None = None
        self.behind_count = 0
        self.is_relay = False

    def start_relaying(self, side_by_side: object = None, *, is_alone: bool = False) -> None:
        self.calls.append("start")
        self.is_relay = True

    def stop_relaying(self) -> None:
        self.calls.append("stop")
        self.is_relay = False

    def announce(self, changes: object) -> None:
        self.told.append("announce")

    def flush(self) -> int:
        self.calls.append("flush")
        if self.failure is not None:
            raise self.failure
        return 0


class Store:
    """The part of a broker that a relay uses."""

    def __init__(self, is_away: Callable[[], bool]) -> None:
        self._is_away = is_away

    @property
    def is_away(self) -> bool:
        return self._is_away()


@pytest.fixture
def start_relay() -> Iterator[Callable[..., tuple[Relay, Floor, list[str]]]]:
    relays: list[Relay] = []

    def start(
        *,
        is_shared: bool = False,
        is_away: Callable[[], bool] = lambda: False,
        on_look: Callable[[], None] = lambda: None,
    ) -> tuple[Relay, Floor, list[str]]:
        told: list[str] = []
        floor = Floor(told)

        def look() -> None:
            told.append("look")
            on_look()

        service: Any = floor
        broker: Any = Store(is_away)
        relay: Relay
        if is_shared:
            relay = SharedRelay(service, broker, look=look)
        else:
            relay = ExclusiveRelay(service, look=look)
        relays.append(relay)
        relay.start()
        return relay, floor, told

    yield start
    for relay in relays:
        relay.stop()


def wait_for(condition: Callable[[], object]) -> None:
    with gevent.Timeout(5):
        while not condition():
            gevent.sleep(0.005)


def test_relaying_starts_before_the_first_flush_and_stops_after_the_last(start_relay) -> None:
    relay, floor, _ = start_relay()

    wait_for(lambda: "flush" in floor.calls)
    assert floor.calls[0] == "start"

    relay.stop()
    assert floor.calls[-1] == "stop"


def test_every_process_relays_when_the_history_is_shared(start_relay) -> None:
    _, first_floor, _ = start_relay(is_shared=True)
    _, second_floor, _ = start_relay(is_shared=True)

    wait_for(lambda: "flush" in first_floor.calls and "flush" in second_floor.calls)


def test_failed_flush_is_repeated_and_logged_when_it_begins_and_ends(
    start_relay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "notifications.outbox")
    relay, floor, _ = start_relay()

    def try_again() -> None:
        tries = floor.calls.count("flush")
        relay.wake()
        wait_for(lambda: floor.calls.count("flush") > tries)

    floor.failure = DatabaseUnavailable("the database is away")
    for _ in range(5):
        try_again()
    floor.failure = None
    for _ in range(3):
        try_again()

    assert caplog.messages == [
        "the outbox could not be flushed; it is tried again",
        "the outbox can be flushed again",
    ]
    assert "the database is away" in caplog.text


def test_failed_look_is_logged_once_and_does_not_stop_the_flushes(
    start_relay, caplog: pytest.LogCaptureFixture
) -> None:
    looks = []

    def fail() -> None:
        looks.append("look")
        raise DatabaseUnavailable("the database is away")

    _relay, floor, _ = start_relay(on_look=fail)
    wait_for(lambda: len(looks) == 3)
    wait_for(lambda: floor.calls.count("flush") == 3)
    assert caplog.messages == ["withdrawn access could not be looked for; it is tried again"]


def test_flush_follows_each_look(start_relay) -> None:
    calls: list[str] = []
    _relay, floor, _ = start_relay(on_look=lambda: calls.append("look"))
    floor.calls = calls

    wait_for(lambda: calls.count("look") == 3)
    assert "look look" not in " ".join(calls)
    wait_for(lambda: calls[-1] == "flush")


def test_wake_flushes_without_waiting_for_the_timer(
    start_relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.publishing.relay.POLL_SECONDS", 3600.0)
    relay, floor, _ = start_relay()
    wait_for(lambda: floor.calls.count("flush") == 1)

    relay.wake()

    wait_for(lambda: floor.calls.count("flush") == 2)


def test_commits_are_announced_at_once_while_the_relay_runs(start_relay) -> None:
    relay, _, told = start_relay()
    relay.committed(())
    assert told.count("announce") == 1

    relay.stop()
    relay.committed(())
    assert told.count("announce") == 1


def test_relay_announces_commits_when_the_history_is_shared(
    start_relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.publishing.relay.POLL_SECONDS", 3600.0)
    relay, floor, told = start_relay(is_shared=True)
    wait_for(lambda: floor.calls.count("flush") == 1)

    relay.committed([CHANGE])
    assert "announce" not in told, "the caller does not wait for the announcement"

    wait_for(lambda: "announce" in told)
    assert floor.calls.count("flush") == 1, "the outbox is not searched for each commit"


def test_committing_callers_wait_until_announcements_catch_up(
    start_relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "YIELD_SECONDS", 60)
    relay, floor, _told = start_relay(is_shared=True)
    wait_for(lambda: "flush" in floor.calls)
    floor.behind_count = module.MAX_BEHIND + 1
    committing = gevent.spawn(relay.committed, [CHANGE])
    gevent.idle()
    assert not committing.ready()
    floor.behind_count = module.MAX_BEHIND
    committing.get(timeout=5)


def test_committing_callers_wait_for_a_limited_time(start_relay) -> None:
    """A broker that hangs does not block a change."""
    relay, floor, told = start_relay(is_shared=True)
    wait_for(lambda: "flush" in floor.calls)
    floor.behind_count = 1_000_000
    gevent.spawn(relay.committed, [CHANGE]).get(timeout=5)
    wait_for(lambda: "announce" in told)


def test_outbox_is_still_searched_during_constant_commits(start_relay) -> None:
    relay, floor, told = start_relay(is_shared=True)
    with gevent.Timeout(5):
        while floor.calls.count("flush") < 3:
            relay.committed([CHANGE])
            gevent.sleep(0.005)
    assert told.count("announce") > 3


def test_commit_stays_in_the_outbox_while_the_broker_is_away(start_relay) -> None:
    is_away = False
    relay, floor, told = start_relay(is_shared=True, is_away=lambda: is_away)
    wait_for(lambda: "flush" in floor.calls)

    is_away = True
    relay.committed([CHANGE])
    wait_for(lambda: floor.calls[-1] == "stop")
    relay.committed([CHANGE])
    gevent.sleep(0.01)
    assert "announce" not in told

    is_away = False
    wait_for(lambda: floor.calls[-1] == "flush")


def test_nothing_is_relayed_while_the_broker_is_away(start_relay) -> None:
    is_away = False
    _relay, floor, told = start_relay(is_shared=True, is_away=lambda: is_away)
    wait_for(lambda: "flush" in floor.calls)

    is_away = True
    wait_for(lambda: floor.calls[-1] == "stop")
    told.clear()
    wait_for(lambda: len(told) > 1)
    assert set(told) == {"look"}, "the other work of the timer continues"
    assert floor.calls.count("stop") == 1
    assert floor.calls[-1] == "stop"

    is_away = False
    wait_for(lambda: floor.calls[-1] == "flush")
    assert floor.calls[floor.calls.index("stop") + 1] == "start"


def test_paused_relay_can_be_stopped(start_relay) -> None:
    is_away = False
    relay, floor, _told = start_relay(is_shared=True, is_away=lambda: is_away)
    is_away = True
    wait_for(lambda: floor.calls[-1] == "stop")
    relay.stop()
    assert "flush" not in floor.calls[floor.calls.index("stop") :]


def test_announcements_run_at_the_same_time_up_to_a_limit() -> None:
    under_way, most = 0, 0

    def announce() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        gevent.sleep(0.01)
        under_way -= 1

    side_by_side([announce] * 20)
    assert (under_way, most) == (0, MAX_SIDE_BY_SIDE)


def test_failed_announcement_does_not_stop_the_others() -> None:
    done: list[str] = []

    def fail() -> None:
        raise DatabaseUnavailable("gone")

    with pytest.raises(DatabaseUnavailable):
        side_by_side([fail, lambda: done.append("second"), lambda: done.append("third")])
    assert sorted(done) == ["second", "third"]
