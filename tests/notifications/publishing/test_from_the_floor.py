"""Changes on the floor become events, each once and for the people it concerns."""

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
    """Refuses every event while ``is_away``. It publishes a ``slow_event`` slowly."""

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
    """A floor, its broker, and refreshes with a clock that the test moves."""

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


def test_change_of_an_order_reaches_guest_waiter_floor_and_kitchen(house: House) -> None:
    result = house.service.update_order_status("ord-1", "InProgress")

    [(kind, told)] = house.broker.told("main:session:table-7")
    for channel in ("main:waiter:anna", "main:floor:main", "main:kitchen:main"):
        assert house.broker.told(channel) == [(kind, told)]
    assert kind == "order_update"
    assert told["sessionId"] == "table-7"
    assert told["waiterId"] == "anna"
    assert told["orderId"] == "ord-1"
    assert told["tableNumber"] == 7
    assert told["status"] == "InProgress"
    assert told["previousStatus"] == "New"
    assert told["message"] == "Your order is being prepared in the kitchen (3 items) - Table 7"
    assert told["version"] == result.order.version == 2


def test_change_reaches_no_other_channel(house: House) -> None:
    house.service.update_order_status("ord-1", "InProgress")
    house.service.update_request_status("req-1", "Acknowledged")
    house.pass_seconds(10)
    assert set(house.broker.history) == {
        "main:session:table-7",
        "main:waiter:anna",
        "main:floor:main",
        "main:kitchen:main",
    }


def test_floor_and_kitchen_hear_each_event_once_and_no_refresh(house: House) -> None:
    house.service.update_order_status("ord-1", "InProgress")
    house.service.update_request_status("req-1", "Acknowledged")
    house.service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"])
    house.pass_seconds(10)

    assert [kind for kind, _ in house.broker.told("main:floor:main")] == [
        "order_update",
        "request_update",
        "session_transfer",
    ]
    assert [kind for kind, _ in house.broker.told("main:kitchen:main")] == ["order_update"]


def test_each_channel_gets_one_refresh_with_everything_the_change_affects(house: House) -> None:
    house.service.update_request_status("req-1", "Completed")
    house.pass_seconds(0.19)
    assert house.broker.payloads("main:session:table-7", "cache_refresh") == []

    house.pass_seconds(0.02)
    house.pass_seconds(60)
    for channel in ("main:session:table-7", "main:waiter:anna"):
        [told] = house.broker.payloads(channel, "cache_refresh")
        assert told["affectedData"] == ["requests", "analytics"]
        assert told["affectedIds"] == ["req-1"]
        assert told["message"] == (
            "Cache refresh required: Request req-1 status changed to completed"
        )


def test_new_request_and_new_order_are_updates_without_a_previous_status(house: House) -> None:
    request = house.service.create_request("table-9", "bill").request
    order = house.service.place_order("table-9", [{"name": "Tea", "quantity": 1}])

    first, second = house.broker.told("main:session:table-9")
    assert first[0] == "request_update"
    assert (first[1]["requestId"], first[1]["status"]) == (request.id, "New")
    assert first[1]["previousStatus"] is None
    assert second[0] == "order_update"
    assert (second[1]["orderId"], second[1]["previousStatus"]) == (order.id, None)
    assert second[1]["message"] == "Your order has been received (1 item) - Table 9"
    assert house.broker.told("main:waiter:ben") == [first, second]


def test_timestamp_is_the_moment_of_the_change(house: House) -> None:
    changes: list[OrderStatusChange] = []

    def note(_sender: object, *, change: OrderStatusChange) -> None:
        changes.append(change)

    with signals.order_status_changed.connected_to(note):
        house.service.update_order_status("ord-1", "InProgress")
    [told] = house.broker.payloads("main:waiter:anna")
    moment = changes[0].occurred_at.isoformat(timespec="milliseconds")
    assert told["timestamp"] == moment.replace("+00:00", "Z")


def test_call_that_changes_nothing_publishes_nothing(house: House) -> None:
    house.service.update_order_status("ord-1", "New")
    with pytest.raises(IllegalTransition):
        house.service.update_order_status("ord-1", "Paid")
    house.service.create_request("table-7", "napkins")
    house.pass_seconds(60)
    assert house.broker.history == {}


def test_change_announced_twice_is_published_once(house: House) -> None:
    changes: list[OrderStatusChange] = []

    def note(_sender: object, *, change: OrderStatusChange) -> None:
        changes.append(change)

    with signals.order_status_changed.connected_to(note):
        house.service.update_order_status("ord-1", "InProgress")
    signals.order_status_changed.send(house.service, change=changes[0])
    assert len(house.broker.told("main:waiter:anna")) == 1


def test_change_of_another_process_is_published_once_at_the_next_flush(house: House) -> None:
    house.listener.disconnect()  # another process has no receivers of ours
    another = WaiterService(house.service.database)
    another.update_order_status("ord-1", "InProgress")
    another.update_order_status("ord-1", "Complete")
    house.listener.connect()
    assert house.broker.history == {}

    house.service.flush()
    house.service.flush()
    assert [
        told["status"] for told in house.broker.payloads("main:waiter:anna", "order_update")
    ] == [
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
    assert [
        told["status"] for told in house.broker.payloads("main:waiter:anna", "order_update")
    ] == [
        "InProgress",
        "Complete",
    ]
    assert house.service.pending_count() == 0


def test_order_is_updated_even_when_another_subscriber_raises(house: House) -> None:
    def breaks(_sender: object, *, change: object) -> None:
        raise RuntimeError("a fault of this subscriber")

    with signals.order_status_changed.connected_to(breaks):
        assert house.service.update_order_status("ord-1", "InProgress").changed
        house.service.flush()
    house.service.flush()
    assert len(house.broker.payloads("main:waiter:anna", "order_update")) == 1
    assert house.service.pending_count() == 0


def test_transfer_reaches_guest_waiters_and_floor_once_each(house: House) -> None:
    house.service.transfer_sessions(
        from_waiter_id="anna", to_waiter_id="ben", session_ids=["table-7"], reason="shift change"
    )
    house.pass_seconds(10)

    for channel in ("main:session:table-7", "main:waiter:anna", "main:waiter:ben"):
        [told] = house.broker.payloads(channel, "session_transfer")
        assert told["waiterId"] == "ben"
        assert told["previousWaiterId"] == "anna"
        assert told["message"] == "Your waiter has been updated (shift change) - Table 7"
        assert len(house.broker.payloads(channel, "cache_refresh")) == 1
    assert set(house.broker.history) == {
        "main:session:table-7",
        "main:waiter:anna",
        "main:waiter:ben",
        "main:floor:main",
    }


def test_transfer_publishes_its_cause_and_not_its_reason(house: House) -> None:
    house.service.transfer_sessions(
        to_waiter_id="ben", session_ids=["table-7"], cause="break", reason="anna feels ill"
    )
    house.pass_seconds(10)

    for channel in ("main:session:table-7", "main:waiter:anna", "main:waiter:ben"):
        [told] = house.broker.payloads(channel, "session_transfer")
        assert told["message"] == "Your waiter has been updated (break) - Table 7"
    assert "feels ill" not in str(house.broker.history)


def test_transfer_of_all_tables_tells_each_guest_about_their_own_table_only(house: House) -> None:
    house.service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")

    for table in (5, 7):
        [told] = house.broker.payloads(f"main:session:table-{table}", "session_transfer")
        assert (told["sessionId"], told["tableNumber"]) == (f"table-{table}", table)
    assert len(house.broker.payloads("main:waiter:ben", "session_transfer")) == 2
    assert "main:session:table-9" not in house.broker.history


def test_transfer_of_several_tables_causes_one_refresh_per_waiter(house: House) -> None:
    house.service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    house.pass_seconds(10)

    for waiter in ("anna", "ben"):
        [told] = house.broker.payloads(f"main:waiter:{waiter}", "cache_refresh")
        assert told["affectedIds"] == ["table-5", "table-7"]


def test_previous_waiter_gets_no_event_of_the_table_after_the_transfer(house: House) -> None:
    house.service.update_order_status("ord-1", "InProgress")
    house.service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"])
    house.pass_seconds(10)
    before = house.broker.told("main:waiter:anna")

    house.service.update_order_status("ord-1", "Complete")
    house.service.create_request("table-7", "bill")
    house.pass_seconds(10)

    assert house.broker.told("main:waiter:anna") == before
    assert [
        told["status"] for told in house.broker.payloads("main:waiter:ben", "order_update")
    ] == ["Complete"]


def test_pending_refresh_of_the_previous_waiter_is_sent_before_the_transfer(
    house: House,
) -> None:
    house.service.update_order_status("ord-1", "InProgress")
    house.service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"])

    kinds = [kind for kind, _ in house.broker.told("main:waiter:anna")]
    assert kinds == ["order_update", "cache_refresh", "session_transfer"]


def test_refresh_of_the_previous_waiter_precedes_every_table_of_the_transfer(house: House) -> None:
    """When the broker is remote, several tables are announced at the same time."""
    house.service.start_relaying(side_by_side)
    house.service.update_order_status("ord-1", "InProgress")
    house.broker.slow_event = "cache_refresh"
    house.service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")

    kinds = [kind for kind, _ in house.broker.told("main:waiter:anna")]
    assert kinds == ["order_update", "cache_refresh", "session_transfer", "session_transfer"]


def test_transfer_from_several_waiters_causes_one_refresh_for_each(house: House) -> None:
    house.service.add_waiter("cleo", "Cleo")
    house.service.open_session(6, "ben", session_id="table-6")
    house.pass_seconds(10)
    before = {waiter: len(house.broker.told(f"main:waiter:{waiter}")) for waiter in ("anna", "ben")}
    house.service.transfer_sessions(
        to_waiter_id="cleo", session_ids=["table-5", "table-6", "table-7", "table-9"]
    )
    house.pass_seconds(10)

    for waiter in ("anna", "ben"):
        kinds = [kind for kind, _ in house.broker.told(f"main:waiter:{waiter}")[before[waiter] :]]
        assert kinds == ["session_transfer", "session_transfer", "cache_refresh"]


def test_refresh_about_a_table_does_not_reach_its_previous_waiter_after_its_transfer(
    house: House,
) -> None:
    """Another table of the transfer is announced before this table's earlier change."""
    another = WaiterService(house.service.database)
    house.listener.disconnect()  # another process has no receivers of ours
    another.update_order_status("ord-1", "InProgress")
    another.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    house.listener.connect()
    house.service.start_relaying(side_by_side)
    house.broker.slow_event = "order_update"
    house.service.flush()
    house.pass_seconds(10)

    told = house.broker.told("main:waiter:anna")
    about_order = [n for n, (_, payload) in enumerate(told) if "ord-1" in str(payload)]
    [transferred] = [
        n
        for n, (kind, payload) in enumerate(told)
        if kind == "session_transfer" and payload["sessionId"] == "table-7"
    ]
    assert about_order
    assert max(about_order) < transferred


def test_transfer_that_names_a_closed_session_publishes_nothing(house: House) -> None:
    house.service.close_session("table-5")
    house.pass_seconds(10)
    before = house.broker.history

    with pytest.raises(TransferRefused, match="table-5"):
        house.service.transfer_sessions(
            from_waiter_id="anna", to_waiter_id="ben", session_ids=["table-5", "table-7"]
        )
    house.pass_seconds(10)
    assert house.broker.history == before


def test_repeated_transfer_is_published_once(house: House) -> None:
    for _ in range(2):
        house.service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"])
    assert len(house.broker.payloads("main:session:table-7", "session_transfer")) == 1


def test_opening_and_closing_a_session_is_told_to_its_waiter_and_the_floor_only(
    house: House,
) -> None:
    house.service.open_session(11, "ben", session_id="table-11")
    house.pass_seconds(10)
    house.service.close_session("table-11")
    house.pass_seconds(10)

    assert set(house.broker.history) == {"main:waiter:ben", "main:floor:main"}
    opened, closed = house.broker.payloads("main:waiter:ben", "cache_refresh")
    for told in (opened, closed):
        assert told["affectedData"] == ["sessions", "analytics"]
        assert told["affectedIds"] == ["table-11"]
    assert opened["message"] == "Cache refresh required: Session table-11 was opened"
    assert closed["message"] == "Cache refresh required: Session table-11 was closed"


def test_guest_and_waiter_load_the_session_again_when_it_moves_to_another_table(
    house: House,
) -> None:
    house.service.move_session("table-7", 12)
    house.pass_seconds(0.3)
    for channel in ("main:session:table-7", "main:waiter:anna"):
        [told] = house.broker.payloads(channel, "cache_refresh")
        assert (told["affectedData"], told["affectedIds"]) == (["sessions"], ["table-7"])
        assert told["message"] == "Cache refresh required: Session table-7 moved to table 12"

    house.service.update_order_status("ord-1", "InProgress")
    [update] = house.broker.payloads("main:session:table-7", "order_update")
    assert update["tableNumber"] == 12
    assert update["message"].endswith("Table 12")


def test_both_waiters_load_their_sessions_again_when_an_offer_is_made_or_settled(
    house: House,
) -> None:
    offer = house.service.offer_sessions(to_waiter_id="ben", from_waiter_id="anna")
    house.pass_seconds(0.3)
    house.service.decline_offer(offer.id)
    house.pass_seconds(0.3)
    for waiter in ("anna", "ben"):
        made, declined = house.broker.payloads(f"main:waiter:{waiter}", "cache_refresh")
        assert made["affectedData"] == declined["affectedData"] == ["sessions"]
    assert house.service.pending_count() == 0


def test_accepted_offer_is_a_transfer_to_guests_and_both_waiters(house: House) -> None:
    offer = house.service.offer_sessions(to_waiter_id="ben", from_waiter_id="anna")
    house.service.accept_offer(offer.id)
    for channel, times in (
        ("main:session:table-5", 1),
        ("main:session:table-7", 1),
        ("main:waiter:anna", 2),
        ("main:waiter:ben", 2),
    ):
        assert len(house.broker.payloads(channel, "session_transfer")) == times


def test_waiter_loads_their_sessions_again_when_their_shift_starts_or_ends(house: House) -> None:
    house.service.start_shift("ben")
    house.pass_seconds(0.3)
    [started] = house.broker.payloads("main:waiter:ben", "cache_refresh")
    assert started["message"] == "Cache refresh required: The shift of ben has started"
    assert house.broker.payloads("main:waiter:anna", "cache_refresh") == []


def test_last_refresh_of_the_guest_is_sent_at_once_when_the_session_is_closed(house: House) -> None:
    house.service.update_order_status("ord-1", "InProgress")
    house.service.close_session("table-7", force=True, reason="gone")
    told = [kind for kind, _ in house.broker.told("main:session:table-7")]
    assert told == ["order_update", "cache_refresh"]


def test_each_rapid_change_is_one_update_in_order_and_refreshes_are_few(
    house: House,
) -> None:
    waiter = Actor(ActorKind.WAITER, "anna")
    statuses = list(islice(cycle(["Acknowledged", "New"]), 100))
    for status in statuses:
        house.service.update_order_status("ord-1", status, actor=waiter)
        house.pass_seconds(0.03)
    while house.now < 1004.0:
        house.pass_seconds(0.03)

    for channel in ("main:session:table-7", "main:waiter:anna"):
        updates = house.broker.payloads(channel, "order_update")
        assert [told["version"] for told in updates] == list(range(2, 102))
        assert [told["status"] for told in updates] == statuses
        # The changes take three seconds, and no screen waits longer than one second for a refresh.
        assert len(house.broker.payloads(channel, "cache_refresh")) in (3, 4)
        moments = [1000.0, *house.refreshed_at[channel]]
        assert max(later - sooner for sooner, later in pairwise(moments)) < 1.05


def test_line_separators_in_a_reason_add_no_line_to_the_event(house: House) -> None:
    house.service.update_order_status("ord-1", "Rejected", reason="sold\u2028out\nsince noon")
    for event in house.broker.events("main:session:table-7"):
        assert event.block.isascii()
        assert event.block.count(b"\n") == 4, "the lines event, data and id, and a blank line"


def test_disconnected_listener_publishes_nothing(house: House) -> None:
    house.listener.disconnect()
    house.service.update_order_status("ord-1", "InProgress")
    assert house.broker.history == {}
    assert house.service.pending_count() == 1, "the change waits for a receiver"


def test_other_greenlets_run_between_two_changes_of_a_backlog(house: House) -> None:
    house.listener.disconnect()
    another = WaiterService(house.service.database)
    for status in ("Acknowledged", "New") * 10:
        another.update_order_status("ord-1", status)
    house.listener.connect()
    seen: list[int] = []

    def look() -> None:
        while house.service.pending_count():
            seen.append(house.broker.tip("main:waiter:anna").offset)
            gevent.sleep(0)

    looking = gevent.spawn(look)
    house.service.flush()
    looking.join(timeout=5)
    assert set(range(1, 20)) <= set(seen)


def test_sockets_are_served_between_two_changes_of_a_backlog(house: House) -> None:
    house.listener.disconnect()
    another = WaiterService(house.service.database)
    for status in ("Acknowledged", "New") * 10:
        another.update_order_status("ord-1", status)
    house.listener.connect()
    ours, theirs = gevent.socket.socketpair()

    def read() -> int:
        ours.recv(1)
        return house.broker.tip("main:waiter:anna").offset

    with ours, theirs:
        reading = gevent.spawn(read)
        gevent.sleep(0.01)  # until the greenlet waits
        theirs.sendall(b"x")
        house.service.flush()
        assert reading.get(timeout=5) <= 2


def test_change_without_a_receiver_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check runs while the application is made, so gunicorn ends and restarts no worker."""
    table_merged = Namespace().signal("table-merged")
    monkeypatch.setattr(signals, "BY_KIND", {**signals.BY_KIND, "table_merged": table_merged})

    with pytest.raises(ChangeUnheard, match="no receiver for the change table_merged: connect"):
        create_app({"INSTANCE_DIR": str(tmp_path)})


def test_floor_hears_of_each_session_that_opens_moves_closes_and_opens_again(
    house: House,
) -> None:
    session = house.service.open_session(3, "ben", session_id="table-3")
    house.service.move_session(session.id, 4)
    house.service.close_session(session.id)
    house.service.reopen_session(session.id)

    told = house.broker.payloads("main:floor:main", "session_update")
    assert [(each["change"], each["tableNumber"]) for each in told] == [
        ("opened", 3),
        ("moved", 4),
        ("closed", 4),
        ("reopened", 4),
    ]
    assert [each["version"] for each in told] == sorted(each["version"] for each in told)
    assert {(each["sessionId"], each["waiterId"]) for each in told} == {("table-3", "ben")}
    assert "session_update" not in str(house.broker.told("main:session:table-3"))


def test_shift_is_told_to_the_waiter_and_the_floor(house: House) -> None:
    house.service.start_shift("ben")
    house.service.start_shift("anna")
    house.service.end_shift("ben", to_waiter_id="anna")

    for channel in ("main:waiter:ben", "main:floor:main"):
        told = house.broker.payloads(channel, "shift_update")
        assert [each["onShift"] for each in told if each["waiterId"] == "ben"] == [True, False]
    assert len(house.broker.payloads("main:waiter:anna", "shift_update")) == 1


def test_offer_is_told_to_both_waiters_and_the_floor_when_it_is_made_and_when_it_ends(
    house: House,
) -> None:
    offer = house.service.offer_sessions(from_waiter_id="anna", to_waiter_id="ben").offer
    for channel in ("main:waiter:anna", "main:waiter:ben", "main:floor:main"):
        [told] = house.broker.payloads(channel, "handover_offered")
        assert (told["offerId"], told["outcome"]) == (offer.id, None)
        assert told["sessionIds"] == ["table-5", "table-7"]
        assert house.broker.payloads(channel, "session_transfer") == []

    house.service.accept_offer(offer.id)
    for channel in ("main:waiter:anna", "main:waiter:ben", "main:floor:main"):
        [told] = house.broker.payloads(channel, "handover_settled")
        assert (told["fromWaiterId"], told["toWaiterId"]) == ("anna", "ben")
        assert told["outcome"] == "accepted"
        assert len(house.broker.payloads(channel, "session_transfer")) == 2
    assert "handover" not in str(house.broker.told("main:session:table-7"))
