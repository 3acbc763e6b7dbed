"""CacheRefreshService sends each triggered refresh once and in time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from typing import Any

import gevent
import gevent.socket
import pytest

from notifications.errors import BrokerUnavailable, InvalidNotification
from notifications.refresh.batch import Batch
from notifications.refresh.batch_store import MemoryBatches
from notifications.refresh.sender import MAX_BATCHES_PER_ROUND
from notifications.refresh.service import CacheRefreshService


class Screens:
    """Collects what is published. With ``is_down`` it refuses."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Batch]] = []
        self.tried: list[str] = []
        self.is_down = False

    def publish(self, channel: str, batch: Batch) -> None:
        self.tried.append(batch.id)
        if self.is_down:
            raise ConnectionError("the broker is away")
        self.got.append((channel, batch))

    @property
    def channels(self) -> list[str]:
        return sorted(channel for channel, _ in self.got)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def screens() -> Screens:
    return Screens()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refresh(screens: Screens, clock: Clock) -> CacheRefreshService:
    return CacheRefreshService(screens.publish, clock=clock)


@pytest.fixture
def live(screens: Screens) -> Iterator[CacheRefreshService]:
    """The service with its greenlet, on the real clock."""
    service = CacheRefreshService(screens.publish)
    service.start()
    yield service
    service.stop()


def wait_until(is_true: Callable[[], bool], timeout_seconds: float = 5.0) -> None:
    with gevent.Timeout(timeout_seconds):
        while not is_true():
            gevent.sleep(0.005)


def test_nothing_is_sent_before_it_is_due(
    refresh: CacheRefreshService, screens: Screens, clock: Clock
) -> None:
    refresh.trigger_orders_refresh(session_id="table-7", order_ids=["ord-1"])
    assert refresh.send_due(clock.now + 0.19) == 0
    assert refresh.send_due(clock.now + 0.2) == 1
    assert refresh.send_due(clock.now + 99) == 0
    assert screens.channels == ["main:session:table-7"]


def test_status_change_is_one_event_per_channel(
    refresh: CacheRefreshService, screens: Screens, clock: Clock
) -> None:
    everyone = {"session_id": "table-7", "waiter_id": "anna"}
    refresh.trigger_orders_refresh(**everyone, order_ids=["ord-1"], reason="Order ord-1 moved")
    refresh.trigger_session_analytics_refresh(**everyone, reason="Order ord-1 moved")

    assert refresh.send_due(clock.now + 0.2) == 2
    assert screens.channels == ["main:session:table-7", "main:waiter:anna"]
    for _, batch in screens.got:
        assert batch.affected_data == ("orders", "analytics")
        assert batch.affected_ids == ("ord-1",)
        assert batch.reason == "Order ord-1 moved"
    assert refresh.send_due(clock.now + 60) == 0


def test_three_hundred_rapid_changes_become_few_events_within_the_maximum_wait(
    refresh: CacheRefreshService, screens: Screens, clock: Clock
) -> None:
    start = clock.now
    for number in range(300):
        clock.now = start + number / 100
        refresh.trigger_orders_refresh(waiter_id="anna", reason=f"change {number}")
        if refresh.send_due(clock.now):
            assert clock.now - screens.got[-1][1].first_at == pytest.approx(1.0)
    refresh.send_due(clock.now + 1.0)
    assert 3 <= len(screens.got) <= 4
    assert sum(batch.triggers for _, batch in screens.got) == 300


@pytest.mark.parametrize(
    ("trigger", "kinds", "quiet"),
    [
        ("trigger_requests_refresh", ("requests",), 0.2),
        ("trigger_orders_refresh", ("orders",), 0.2),
        ("trigger_session_transfer_refresh", ("sessions", "analytics"), 0.2),
        ("trigger_session_analytics_refresh", ("analytics",), 1.0),
        ("trigger_waiter_analytics_refresh", ("analytics",), 1.0),
        ("trigger_reviews_refresh", ("reviews",), 5.0),
        ("trigger_general_data_refresh", ("all",), 5.0),
    ],
)
def test_each_trigger_has_its_kind_and_its_priority(
    refresh: CacheRefreshService,
    screens: Screens,
    clock: Clock,
    trigger: str,
    kinds: tuple[str, ...],
    quiet: float,
) -> None:
    getattr(refresh, trigger)(waiter_id="anna")
    assert refresh.send_due(clock.now + quiet - 0.01) == 0
    assert refresh.send_due(clock.now + quiet) == 1
    assert screens.got[0][1].affected_data == kinds


def test_transfer_refreshes_the_guest_and_both_waiters(
    refresh: CacheRefreshService, screens: Screens, clock: Clock
) -> None:
    refresh.trigger_session_transfer_refresh(
        session_id="table-7", waiter_id="ben", previous_waiter_id="anna", reason="shift change"
    )
    refresh.send_due(clock.now + 0.2)
    said = {channel: (batch.affected_data, batch.affected_ids) for channel, batch in screens.got}
    assert said == {
        "main:session:table-7": (("sessions",), ("table-7",)),
        "main:waiter:anna": (("sessions", "analytics"), ("table-7",)),
        "main:waiter:ben": (("sessions", "analytics"), ("table-7",)),
    }


@pytest.mark.parametrize(
    ("trigger", "arguments", "field"),
    [
        ("orders", {}, "session_id or waiter_id"),
        ("orders", {"session_id": ""}, "session_id"),
        ("orders", {"waiter_id": "an na"}, "waiter_id"),
        ("orders", {"waiter_id": "anna\n"}, "waiter_id"),
        ("orders", {"waiter_id": "anna", "order_ids": [""]}, "order_ids"),
        ("orders", {"waiter_id": "anna", "order_ids": "ord-1"}, "order_ids"),
        ("orders", {"waiter_id": "anna", "order_ids": None}, "order_ids"),
        ("requests", {"waiter_id": "anna", "request_ids": ["x" * 65]}, "request_ids"),
        ("reviews", {"waiter_id": "anna", "review_ids": [7]}, "review_ids"),
        ("orders", {"waiter_id": "anna", "priority": "urgent"}, "priority"),
        ("orders", {"waiter_id": "anna", "reason": "a\x00b"}, "reason"),
        ("orders", {"waiter_id": "anna", "reason": "a\ud800"}, "reason"),
        ("orders", {"waiter_id": "anna", "reason": "x" * 501}, "reason"),
        ("orders", {"waiter_id": "anna", "reason": 5}, "reason"),
        ("general_data", {"waiter_id": "anna", "affected_data": ["menus"]}, "affected_data"),
        ("general_data", {"waiter_id": "anna", "affected_data": [["all"]]}, "affected_data"),
        ("general_data", {"waiter_id": "anna", "affected_data": []}, "affected_data"),
        ("general_data", {"waiter_id": "anna", "affected_data": "all"}, "affected_data"),
        ("general_data", {"waiter_id": "anna", "affected_ids": ["?"]}, "affected_ids"),
        ("session_transfer", {"previous_waiter_id": "\x7f"}, "previous_waiter_id"),
    ],
)
def test_invalid_trigger_names_the_field_and_adds_nothing(
    refresh: CacheRefreshService, trigger: str, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidNotification) as caught:
        getattr(refresh, f"trigger_{trigger}_refresh")(**arguments)
    assert caught.value.field == field
    assert isinstance(caught.value, ValueError)
    assert refresh.refresh_stats().pending == 0


def test_reason_in_several_lines_becomes_one_line(
    refresh: CacheRefreshService, screens: Screens, clock: Clock
) -> None:
    refresh.trigger_orders_refresh(waiter_id="anna", reason=" two\r\nlines\tand \u2028 more ")
    refresh.trigger_orders_refresh(waiter_id="anna", reason="  ")
    refresh.send_due(clock.now + 1)
    assert screens.got[0][1].reasons == ("two lines and \u2028 more",)


def test_batch_that_cannot_be_published_is_kept_and_retried_at_growing_intervals(
    refresh: CacheRefreshService,
    screens: Screens,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refresh.trigger_orders_refresh(waiter_id="anna")
    screens.is_down = True
    now = clock.now + 0.2
    for delay in (0.5, 1, 2, 4, 8, 10, 10):
        assert refresh.send_due(now) == 0
        tries = len(screens.tried)
        refresh.send_due(now + delay - 0.01)
        assert len(screens.tried) == tries
        now += delay
    screens.is_down = False
    assert refresh.send_due(now) == 1
    assert len(set(screens.tried)) == 1, "the idempotency key must not change"
    assert vars(caplog.records[0])["fields"]["channel"] == "main:waiter:anna"
    assert refresh.refresh_stats().failures == 7


def test_outage_is_logged_once_however_many_batches_wait(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    is_away = True

    def publish(channel: str, batch: Batch) -> None:
        if is_away:
            raise BrokerUnavailable("no answer")

    refresh = CacheRefreshService(publish, clock=clock)
    for waiter in ("anna", "ben", "cleo"):
        refresh.trigger_orders_refresh(waiter_id=waiter)
    now = clock.now + 0.2
    for delay in (0.5, 1, 2):
        refresh.send_due(now)
        now += delay
    failed = [record for record in caplog.records if "refresh failed" in record.message]
    is_away = False

    assert refresh.send_due(now + 4) == 3
    (record,) = failed
    assert not record.exc_info


def test_failure_of_one_channel_does_not_delay_the_others(clock: Clock) -> None:
    got = []

    def publish(channel: str, batch: Batch) -> None:
        if channel == "main:waiter:anna":
            raise RuntimeError("unwell")
        got.append(channel)

    refresh = CacheRefreshService(publish, clock=clock)
    for waiter in ("anna", "ben", "cleo"):
        refresh.trigger_orders_refresh(waiter_id=waiter)
    assert refresh.send_due(clock.now + 0.2) == 2
    assert got == ["main:waiter:ben", "main:waiter:cleo"]


def test_triggers_during_an_outage_become_one_more_event_after_it(
    refresh: CacheRefreshService, screens: Screens, clock: Clock
) -> None:
    refresh.trigger_orders_refresh(waiter_id="anna", order_ids=["ord-1"])
    screens.is_down = True
    for _ in range(100):
        clock.now += 0.5
        refresh.send_due(clock.now)
        refresh.trigger_orders_refresh(waiter_id="anna", order_ids=["ord-2"])
    assert refresh.refresh_stats().pending == 2
    screens.is_down = False
    clock.now += 20
    assert refresh.send_due(clock.now) == 2
    assert [batch.affected_ids for _, batch in screens.got] == [("ord-1",), ("ord-2",)]


def test_force_sends_the_pending_batch_of_its_channel_only(
    refresh: CacheRefreshService, screens: Screens, clock: Clock
) -> None:
    refresh.trigger_reviews_refresh(session_id="table-7", waiter_id="anna")
    assert refresh.force_immediate_refresh(waiter_id="anna") == 1
    assert refresh.force_immediate_refresh(waiter_id="anna") == 0
    assert screens.channels == ["main:waiter:anna"]
    assert refresh.force_immediate_refresh() == 1
    assert screens.channels == ["main:session:table-7", "main:waiter:anna"]
    assert refresh.send_due(clock.now + 60) == 0


def test_force_with_data_sends_it_at_once_together_with_the_pending_batch(
    refresh: CacheRefreshService, screens: Screens
) -> None:
    refresh.trigger_reviews_refresh(waiter_id="anna", review_ids=["r-1"])
    sent = refresh.force_immediate_refresh(
        session_id="table-7", waiter_id="anna", affected_data=["all"], reason="menu changed"
    )
    assert sent == 2
    said = {channel: batch.affected_data for channel, batch in screens.got}
    assert said == {"main:session:table-7": ("all",), "main:waiter:anna": ("reviews", "all")}
    with pytest.raises(InvalidNotification):
        refresh.force_immediate_refresh(affected_data=["all"])


def test_forced_event_that_fails_is_not_counted_and_is_sent_later(
    refresh: CacheRefreshService, screens: Screens, clock: Clock
) -> None:
    screens.is_down = True
    assert refresh.force_immediate_refresh(waiter_id="anna", affected_data=["all"]) == 0
    screens.is_down = False
    assert refresh.send_due(clock.now + 0.5) == 1


def test_batch_whose_sender_was_killed_is_sent_after_its_lease(
    screens: Screens, clock: Clock
) -> None:
    def killed(channel: str, batch: Batch) -> None:
        raise gevent.GreenletExit

    batches = MemoryBatches(lease_seconds=10)
    dying = CacheRefreshService(killed, batches=batches, clock=clock)
    dying.trigger_orders_refresh(waiter_id="anna")
    with pytest.raises(gevent.GreenletExit):
        dying.send_due(clock.now + 0.2)

    heir = CacheRefreshService(screens.publish, batches=batches, clock=clock)
    assert heir.send_due(clock.now + 10.1) == 0
    assert heir.send_due(clock.now + 10.2) == 1


def test_stats_count_pending_and_sent_batches(refresh: CacheRefreshService, clock: Clock) -> None:
    refresh.trigger_orders_refresh(session_id="table-7", waiter_id="anna")
    refresh.trigger_reviews_refresh(waiter_id="anna")
    refresh.trigger_reviews_refresh(waiter_id="ben")
    refresh.send_due(clock.now + 0.2)
    assert refresh.refresh_stats().to_dict() == {
        "pending": 1,
        "triggers": 4,
        "sent": 2,
        "failures": 0,
        "byPriority": {
            "high": {"triggers": 2, "sent": 2},
            "medium": {"triggers": 0, "sent": 0},
            "low": {"triggers": 2, "sent": 0},
        },
    }


def test_each_refresh_is_logged_in_one_line(
    refresh: CacheRefreshService, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "notifications.cache_refresh")
    refresh.trigger_orders_refresh(waiter_id="anna")
    refresh.trigger_orders_refresh(waiter_id="anna")
    refresh.send_due(clock.now + 0.25)
    (record,) = caplog.records
    assert record.getMessage() == "refresh sent"
    assert vars(record)["fields"] == {
        "channel": "main:waiter:anna",
        "affected_data": "orders",
        "triggers": 2,
        "waited_ms": 250,
    }


def test_greenlet_wakes_for_a_batch_that_is_due_sooner(
    live: CacheRefreshService, screens: Screens
) -> None:
    live.trigger_reviews_refresh(session_id="table-7")
    gevent.sleep(0)
    started = MemoryBatches.clock()
    live.trigger_orders_refresh(waiter_id="anna")
    # Only this batch, and before the greenlet's next planned look, which is for the reviews.
    wait_until(lambda: screens.channels == ["main:waiter:anna"])
    assert MemoryBatches.clock() - started >= 0.2


def test_sockets_are_served_between_many_refreshes(
    refresh: CacheRefreshService, screens: Screens, clock: Clock
) -> None:
    for number in range(10 * MAX_BATCHES_PER_ROUND):
        refresh.trigger_orders_refresh(session_id=f"guest-{number}")
    ours, theirs = gevent.socket.socketpair()

    def read() -> int:
        ours.recv(1)
        return len(screens.got)

    with ours, theirs:
        reading = gevent.spawn(read)
        gevent.sleep(0.01)  # until the greenlet waits
        theirs.sendall(b"x")
        assert refresh.send_due(clock.now + 1) == 10 * MAX_BATCHES_PER_ROUND
        assert reading.get(timeout=5) <= 2 * MAX_BATCHES_PER_ROUND


def test_refresh_behind_another_venues_backlog_is_sent_within_the_next_round(
    refresh: CacheRefreshService, screens: Screens, clock: Clock
) -> None:
    for number in range(10 * MAX_BATCHES_PER_ROUND):
        refresh.trigger_orders_refresh(session_id=f"guest-{number}")
    clock.now += 0.1
    refresh.trigger_orders_refresh(session_id="guest-1", venue_id="roma")
    assert refresh.send_due(clock.now + 1) == 10 * MAX_BATCHES_PER_ROUND + 1
    order = [channel for channel, _ in screens.got]
    assert order.index("roma:session:guest-1") <= MAX_BATCHES_PER_ROUND


def test_refresh_that_becomes_due_during_a_backlog_is_sent_within_the_next_round(
    clock: Clock,
) -> None:
    screens = Screens()

    def publish(channel: str, batch: Batch) -> None:
        screens.publish(channel, batch)
        if len(screens.got) == MAX_BATCHES_PER_ROUND + 10:
            service.trigger_orders_refresh(session_id="guest-1", venue_id="roma")
            clock.now += 1

    service = CacheRefreshService(publish, clock=clock)
    for number in range(10 * MAX_BATCHES_PER_ROUND):
        service.trigger_orders_refresh(session_id=f"guest-{number}")
    clock.now += 1
    service.send_due(clock.now)
    order = [channel for channel, _ in screens.got]
    assert order.index("roma:session:guest-1") <= 3 * MAX_BATCHES_PER_ROUND


def test_drain_sends_everything_and_leaves_no_greenlet(
    live: CacheRefreshService, screens: Screens
) -> None:
    live.trigger_reviews_refresh(session_id="table-7", waiter_id="anna")
    gevent.sleep(0)
    assert live.drain() == 2
    assert live.refresh_stats().pending == 0
    live.trigger_orders_refresh(waiter_id="ben")
    gevent.sleep(0.25)
    assert screens.channels == ["main:session:table-7", "main:waiter:anna"]


def test_drain_also_sends_a_batch_that_waits_for_its_next_attempt(
    refresh: CacheRefreshService, screens: Screens, clock: Clock
) -> None:
    refresh.trigger_orders_refresh(waiter_id="anna")
    screens.is_down = True
    refresh.send_due(clock.now + 0.2)
    assert refresh.drain() == 0
    screens.is_down = False
    assert refresh.drain() == 1


def test_drain_waits_for_the_event_being_published_and_sends_the_next_one_too() -> None:
    published: list[tuple[str, ...]] = []

    def slowly(channel: str, batch: Batch) -> None:
        gevent.sleep(0.1)
        published.append(batch.affected_data)

    service = CacheRefreshService(slowly)
    service.start()
    service.trigger_orders_refresh(waiter_id="anna")
    wait_until(lambda: service._batches.next_due() > MemoryBatches.clock() + 1)  # type: ignore[operator]
    service.trigger_reviews_refresh(waiter_id="anna")
    assert service.drain() == 1
    assert published == [("orders",), ("reviews",)]


def test_greenlet_survives_a_store_that_cannot_be_reached(
    screens: Screens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.refresh.sender.STORE_RETRY_SECONDS", 0.01)
    batches = MemoryBatches()
    outage = [ConnectionError("away")] * 3
    lease_due = batches.lease_due

    def unreliable(now: float, limit: int, without_venues: Collection[str]) -> list[Batch]:
        if outage:
            raise outage.pop()
        return lease_due(now, limit, without_venues)

    monkeypatch.setattr(batches, "lease_due", unreliable)
    service = CacheRefreshService(screens.publish, batches=batches)
    service.start()
    try:
        service.trigger_orders_refresh(waiter_id="anna")
        wait_until(lambda: screens.channels == ["main:waiter:anna"])
    finally:
        service.stop()
    assert not outage
