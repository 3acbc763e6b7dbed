"""What happens on the floor becomes events: each once, for those it concerns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path

import gevent
import gevent.socket
import pytest
from blinker import Namespace

from app import create_app
from notifications.errors import BrokerUnavailable, ChangeUnheard
from notifications.publishing.listener import FloorListener
from notifications.publishing.notification_service import NotificationService
from notifications.publishing.relay import side_by_side
from notifications.refresh.batch import Batch
from notifications.refresh.service import CacheRefreshService
from tests.support.histories import ReadableBroker
from tests.support.service_server import copy_sqlite
from waiter_service import Database, WaiterService, signals
from waiter_service.actors import Actor, ActorKind
from waiter_service.changes import OrderStatusChange
from waiter_service.errors import IllegalTransition, TransferRefused


class FlakyBroker(ReadableBroker):
    """Refuses everything while ``is_away``, and keeps those waiting who send a ``slow_event``."""

    is_away = False
    slow_event: str | None = None

    def publish(self, channels: Sequence[str], event_body: bytes, *, key: str) -> None:
        if self.is_away:
            raise BrokerUnavailable("away")
        if self.slow_event is not None and self.slow_event.encode() in event_body:
            gevent.sleep(0.005)
        super().publish(channels, event_body, key=key)


@dataclass
class House:
    """A floor and what it tells, with a clock for the refreshes that stands still."""

    service: WaiterService
    broker: FlakyBroker
    listener: FloorListener
    cache_refresh: CacheRefreshService
    refreshed_at: dict[str, list[float]]
    now: float = 1000.0

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds
        self.cache_refresh.send_due(self.now)


@pytest.fixture
def house(seeded_sqlite: Path, tmp_path: Path) -> Iterator[House]:
    database = Database(copy_sqlite(seeded_sqlite, tmp_path))
    broker = FlakyBroker()
    refreshed_at: dict[str, list[float]] = defaultdict(list)

    def publish_refresh(channel: str, batch: Batch) -> None:
        refreshed_at[channel].append(house.now)
        notifications.publish_refresh(channel, batch)

    refresh = CacheRefreshService(publish_refresh, clock=lambda: house.now)
    notifications = NotificationService(broker)
    listener = FloorListener(notifications, refresh)
    house = House(WaiterService(database), broker, listener, refresh, refreshed_at)
    listener.connect()
    house.service.start_relaying()
    yield house
    house.service.stop_relaying()
    listener.disconnect()
    database.dispose()


def test_change_of_an_order_reaches_its_guest_and_its_waiter(house: House) -> None:
    result = house.service.update_order_status("ord-1", "InProgress")

    [(kind, told)] = house.broker.told("session:table-7")
    assert house.broker.told("waiter:anna") == [(kind, told)]
    assert kind == "order_update"
    assert told["sessionId"] == "table-7"
    assert told["waiterId"] == "anna"
    assert told["orderId"] == "ord-1"
    assert told["tableNumber"] == 7
    assert told["status"] == "InProgress"
    assert told["previousStatus"] == "New"
    assert told["message"] == "Your order is being prepared in the kitchen (3 items) - Table 7"
    assert told["version"] == result.order.version == 2


def test_nobody_else_hears_of_it(house: House) -> None:
    house.service.update_order_status("ord-1", "InProgress")
    house.service.update_request_status("req-1", "Acknowledged")
    house.pass_seconds(10)
    assert set(house.broker.history) == {"session:table-7", "waiter:anna"}


def test_change_is_refreshed_once_for_each_with_all_it_affects(house: House) -> None:
    house.service.update_request_status("req-1", "Completed")
    house.pass_seconds(0.19)
    assert house.broker.payloads("session:table-7", "cache_refresh") == []

    house.pass_seconds(0.02)
    house.pass_seconds(60)
    for channel in ("session:table-7", "waiter:anna"):
        [told] = house.broker.payloads(channel, "cache_refresh")
        assert told["affectedData"] == ["requests", "analytics"]
        assert told["affectedIds"] == ["req-1"]
        assert told["message"] == (
            "Cache refresh required: Request req-1 status changed to completed"
        )


def test_new_request_and_new_order_are_updates_from_nothing(house: House) -> None:
    request = house.service.create_request("table-9", "bill").request
    order = house.service.place_order("table-9", [{"name": "Tea", "quantity": 1}])

    first, second = house.broker.told("session:table-9")
    assert first[0] == "request_update"
    assert (first[1]["requestId"], first[1]["status"]) == (request.id, "New")
    assert first[1]["previousStatus"] is None
    assert second[0] == "order_update"
    assert (second[1]["orderId"], second[1]["previousStatus"]) == (order.id, None)
    assert second[1]["message"] == "Your order has been received (1 item) - Table 9"
    assert house.broker.told("waiter:ben") == [first, second]


def test_timestamp_is_the_moment_of_the_change(house: House) -> None:
    changes: list[OrderStatusChange] = []

    def note(_sender: object, *, change: OrderStatusChange) -> None:
        changes.append(change)

    with signals.order_status_changed.connected_to(note):
        house.service.update_order_status("ord-1", "InProgress")
    [told] = house.broker.payloads("waiter:anna")
    moment = changes[0].occurred_at.isoformat(timespec="milliseconds")
    assert told["timestamp"] == moment.replace("+00:00", "Z")


def test_what_changes_nothing_is_not_told(house: House) -> None:
    house.service.update_order_status("ord-1", "New")
    with pytest.raises(IllegalTransition):
        house.service.update_order_status("ord-1", "Paid")
    house.service.create_request("table-7", "napkins")
    house.pass_seconds(60)
    assert house.broker.history == {}


def test_change_announced_twice_is_told_once(house: House) -> None:
    changes: list[OrderStatusChange] = []

    def note(_sender: object, *, change: OrderStatusChange) -> None:
        changes.append(change)

    with signals.order_status_changed.connected_to(note):
        house.service.update_order_status("ord-1", "InProgress")
    signals.order_status_changed.send(house.service, change=changes[0])
    assert len(house.broker.told("waiter:anna")) == 1


def test_what_another_process_did_is_told_at_the_next_flush_and_once(house: House) -> None:
    house.listener.disconnect()  # another process has no receivers of ours
    another = WaiterService(house.service.database)
    another.update_order_status("ord-1", "InProgress")
    another.update_order_status("ord-1", "Complete")
    house.listener.connect()
    assert house.broker.history == {}

    house.service.flush()
    house.service.flush()
    assert [told["status"] for told in house.broker.payloads("waiter:anna", "order_update")] == [
        "InProgress",
        "Complete",
    ]
    assert house.service.pending_count() == 0


def test_order_is_updated_even_when_the_broker_is_away(house: House) -> None:
    house.broker.is_away = True
    assert house.service.update_order_status("ord-1", "InProgress").changed
    assert house.service.update_order_status("ord-1", "Complete").changed
    assert house.broker.history == {}
    assert house.service.pending_count() == 2

    house.broker.is_away = False
    house.service.flush()
    assert [told["status"] for told in house.broker.payloads("waiter:anna", "order_update")] == [
        "InProgress",
        "Complete",
    ]
    assert house.service.pending_count() == 0


def test_order_is_updated_even_when_another_subscriber_raises(house: House) -> None:
    def breaks(_sender: object, *, change: object) -> None:
        raise RuntimeError("a subscriber's own trouble")

    with signals.order_status_changed.connected_to(breaks):
        assert house.service.update_order_status("ord-1", "InProgress").changed
        house.service.flush()
    house.service.flush()
    assert len(house.broker.payloads("waiter:anna", "order_update")) == 1
    assert house.service.pending_count() == 0


def test_transfer_reaches_the_guest_and_both_waiters_once_each(house: House) -> None:
    house.service.transfer_sessions(
        from_waiter_id="anna", to_waiter_id="ben", session_ids=["table-7"], reason="shift change"
    )
    house.pass_seconds(10)

    for channel in ("session:table-7", "waiter:anna", "waiter:ben"):
        [told] = house.broker.payloads(channel, "session_transfer")
        assert told["waiterId"] == "ben"
        assert told["previousWaiterId"] == "anna"
        assert told["message"] == "Your waiter has been updated (shift change) - Table 7"
        assert len(house.broker.payloads(channel, "cache_refresh")) == 1
    assert set(house.broker.history) == {"session:table-7", "waiter:anna", "waiter:ben"}


def test_transfer_tells_its_cause_and_keeps_its_reason_from_everyone(house: House) -> None:
    house.service.transfer_sessions(
        to_waiter_id="ben", session_ids=["table-7"], cause="break", reason="anna feels ill"
    )
    house.pass_seconds(10)

    for channel in ("session:table-7", "waiter:anna", "waiter:ben"):
        [told] = house.broker.payloads(channel, "session_transfer")
        assert told["message"] == "Your waiter has been updated (break) - Table 7"
    assert "feels ill" not in str(house.broker.history)


def test_transfer_of_all_tells_each_guest_of_the_own_table_alone(house: House) -> None:
    house.service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")

    for table in (5, 7):
        [told] = house.broker.payloads(f"session:table-{table}", "session_transfer")
        assert (told["sessionId"], told["tableNumber"]) == (f"table-{table}", table)
    assert len(house.broker.payloads("waiter:ben", "session_transfer")) == 2
    assert "session:table-9" not in house.broker.history


def test_transfer_of_several_tables_is_one_refresh_for_each_waiter(house: House) -> None:
    house.service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    house.pass_seconds(10)

    for waiter in ("anna", "ben"):
        [told] = house.broker.payloads(f"waiter:{waiter}", "cache_refresh")
        assert told["affectedIds"] == ["table-5", "table-7"]


def test_after_a_transfer_the_previous_waiter_hears_no_more_of_the_table(house: House) -> None:
    house.service.update_order_status("ord-1", "InProgress")
    house.service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"])
    house.pass_seconds(10)
    before = house.broker.told("waiter:anna")

    house.service.update_order_status("ord-1", "Complete")
    house.service.create_request("table-7", "bill")
    house.pass_seconds(10)

    assert house.broker.told("waiter:anna") == before
    assert [told["status"] for told in house.broker.payloads("waiter:ben", "order_update")] == [
        "Complete"
    ]


def test_refresh_that_waits_for_the_previous_waiter_goes_out_before_the_transfer(
    house: House,
) -> None:
    house.service.update_order_status("ord-1", "InProgress")
    house.service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"])

    kinds = [kind for kind, _ in house.broker.told("waiter:anna")]
    assert kinds == ["order_update", "cache_refresh", "session_transfer"]


def test_no_table_of_a_transfer_overtakes_the_previous_waiters_refresh(house: House) -> None:
    """Where the broker is far away, the tables are announced side by side."""
    house.service.start_relaying(side_by_side)
    house.service.update_order_status("ord-1", "InProgress")
    house.broker.slow_event = "cache_refresh"
    house.service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")

    kinds = [kind for kind, _ in house.broker.told("waiter:anna")]
    assert kinds == ["order_update", "cache_refresh", "session_transfer", "session_transfer"]


def test_transfer_from_several_waiters_is_one_refresh_for_each(house: House) -> None:
    house.service.add_waiter("cleo", "Cleo")
    house.service.open_session(6, "ben", session_id="table-6")
    house.pass_seconds(10)
    before = {waiter: len(house.broker.told(f"waiter:{waiter}")) for waiter in ("anna", "ben")}
    house.service.transfer_sessions(
        to_waiter_id="cleo", session_ids=["table-5", "table-6", "table-7", "table-9"]
    )
    house.pass_seconds(10)

    for waiter in ("anna", "ben"):
        kinds = [kind for kind, _ in house.broker.told(f"waiter:{waiter}")[before[waiter] :]]
        assert kinds == ["session_transfer", "session_transfer", "cache_refresh"]


def test_refresh_about_a_table_does_not_reach_its_previous_waiter_after_its_transfer(
    house: House,
) -> None:
    """Another table of the transfer is announced before what came first at this one."""
    another = WaiterService(house.service.database)
    house.listener.disconnect()  # another process has no receivers of ours
    another.update_order_status("ord-1", "InProgress")
    another.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    house.listener.connect()
    house.service.start_relaying(side_by_side)
    house.broker.slow_event = "order_update"
    house.service.flush()
    house.pass_seconds(10)

    told = house.broker.told("waiter:anna")
    about_order = [n for n, (_, payload) in enumerate(told) if "ord-1" in str(payload)]
    [transferred] = [
        n
        for n, (kind, payload) in enumerate(told)
        if kind == "session_transfer" and payload["sessionId"] == "table-7"
    ]
    assert about_order
    assert max(about_order) < transferred


def test_transfer_that_names_a_closed_session_tells_nobody_anything(house: House) -> None:
    house.service.close_session("table-5")
    house.pass_seconds(10)
    before = house.broker.history

    with pytest.raises(TransferRefused, match="table-5"):
        house.service.transfer_sessions(
            from_waiter_id="anna", to_waiter_id="ben", session_ids=["table-5", "table-7"]
        )
    house.pass_seconds(10)
    assert house.broker.history == before


def test_transfer_done_twice_is_told_once(house: House) -> None:
    for _ in range(2):
        house.service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"])
    assert len(house.broker.payloads("session:table-7", "session_transfer")) == 1


def test_session_that_opens_or_closes_refreshes_its_waiters_floor_alone(house: House) -> None:
    house.service.open_session(11, "ben", session_id="table-11")
    house.pass_seconds(10)
    house.service.close_session("table-11")
    house.pass_seconds(10)

    assert set(house.broker.history) == {"waiter:ben"}
    opened, closed = house.broker.payloads("waiter:ben", "cache_refresh")
    for told in (opened, closed):
        assert told["affectedData"] == ["sessions", "analytics"]
        assert told["affectedIds"] == ["table-11"]
    assert opened["message"] == "Cache refresh required: Session table-11 was opened"
    assert closed["message"] == "Cache refresh required: Session table-11 was closed"


def test_guests_last_refresh_goes_out_at_once_when_their_session_is_closed(house: House) -> None:
    house.service.update_order_status("ord-1", "InProgress")
    house.service.close_session("table-7", force=True, reason="gone")
    told = [kind for kind, _ in house.broker.told("session:table-7")]
    assert told == ["order_update", "cache_refresh"]


def test_every_rapid_change_is_an_update_in_order_and_refreshes_are_few(
    house: House,
) -> None:
    waiter = Actor(ActorKind.WAITER, "anna")
    statuses = list(islice(cycle(["Acknowledged", "New"]), 100))
    for status in statuses:
        house.service.update_order_status("ord-1", status, actor=waiter)
        house.pass_seconds(0.03)
    while house.now < 1004.0:
        house.pass_seconds(0.03)

    for channel in ("session:table-7", "waiter:anna"):
        updates = house.broker.payloads(channel, "order_update")
        assert [told["version"] for told in updates] == list(range(2, 102))
        assert [told["status"] for told in updates] == statuses
        # Three seconds of changes; nobody waits longer than one for a refresh.
        assert len(house.broker.payloads(channel, "cache_refresh")) in (3, 4)
        moments = [1000.0, *house.refreshed_at[channel]]
        assert max(later - sooner for sooner, later in pairwise(moments)) < 1.05


def test_line_separators_in_a_reason_stay_out_of_the_events_lines(house: House) -> None:
    house.service.update_order_status("ord-1", "Rejected", reason="sold\u2028out\nsince noon")
    for event in house.broker.events("session:table-7"):
        assert event.block.isascii()
        assert event.block.count(b"\n") == 4, "event, data, id, blank"


def test_disconnected_it_hears_nothing(house: House) -> None:
    house.listener.disconnect()
    house.service.update_order_status("ord-1", "InProgress")
    assert house.broker.history == {}
    assert house.service.pending_count() == 1, "it waits for somebody who listens"


def test_backlog_leaves_others_their_turn_between_two_changes(house: House) -> None:
    house.listener.disconnect()
    another = WaiterService(house.service.database)
    for status in ("Acknowledged", "New") * 10:
        another.update_order_status("ord-1", status)
    house.listener.connect()
    seen: list[int] = []

    def look() -> None:
        while house.service.pending_count():
            seen.append(house.broker.tip("waiter:anna").offset)
            gevent.sleep(0)

    looking = gevent.spawn(look)
    house.service.flush()
    looking.join(timeout=5)
    assert set(range(1, 20)) <= set(seen)


def test_backlog_leaves_sockets_their_turn_between_two_changes(house: House) -> None:
    house.listener.disconnect()
    another = WaiterService(house.service.database)
    for status in ("Acknowledged", "New") * 10:
        another.update_order_status("ord-1", status)
    house.listener.connect()
    ours, theirs = gevent.socket.socketpair()

    def read() -> int:
        ours.recv(1)
        return house.broker.tip("waiter:anna").offset

    with ours, theirs:
        reading = gevent.spawn(read)
        gevent.sleep(0.01)  # until it waits
        theirs.sendall(b"x")
        house.service.flush()
        assert reading.get(timeout=5) <= 2


def test_a_change_that_nothing_hears_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the application is made: gunicorn then ends, and starts no worker again and again."""
    table_merged = Namespace().signal("table-merged")
    monkeypatch.setattr(signals, "BY_KIND", {**signals.BY_KIND, "table_merged": table_merged})

    with pytest.raises(ChangeUnheard, match="no receiver for the change table_merged: connect"):
        create_app({"INSTANCE_DIR": str(tmp_path)})
