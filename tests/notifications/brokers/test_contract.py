"""The contract of a broker (``notifications/brokers/base.py``), tested with each kind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count

import gevent
import pytest

from notifications.brokers.base import Broker
from notifications.errors import BrokerUnavailable
from notifications.events.encoding import EventId, body
from notifications.events.heartbeat import Heartbeat
from tests.support.ear import Ear
from tests.support.streams import pass_turn, wait_in_loop

ANNA, BEN, TABLE = "main:waiter:anna", "main:waiter:ben", "main:session:table-5"
MARKER = "main:waiter:marker"
BODY = body(Heartbeat(timestamp=datetime(2024, 1, 15, tzinfo=UTC)))
EVERYTHING = 1_000_000

MakeBroker = Callable[..., Broker]
GrowOlder = Callable[[float], None]

_keys = (f"key-{number}" for number in count())


def publish(broker: Broker, *channels: str, times: int = 1) -> None:
    for _ in range(times):
        broker.publish(channels, BODY, key=next(_keys))


def start_of(broker: Broker, channel: str) -> EventId:
    """Return the place before the channel's first event."""
    return EventId(broker.tip(channel).epoch, 0)


def history(broker: Broker, channel: str) -> list[int]:
    """Return the offsets that the history holds."""
    tip = broker.tip(channel)
    for offset in range(tip.offset + 1):
        page = broker.read(channel, EventId(tip.epoch, offset), EVERYTHING)
        if not page.is_gap:
            return [event.offset for event in page.events]
    raise AssertionError("the history does not know its newest place")


def delivered(broker: Broker, ear: Ear, channel: str) -> list[int]:
    """Wait until the sink has all events so far; return its offsets of ``channel``."""
    broker.subscribe(MARKER)
    before = len(ear.events[MARKER])
    publish(broker, MARKER)
    # The marker arrives after all earlier events.
    wait_in_loop(lambda: len(ear.events[MARKER]) > before)
    return ear.offsets(channel)


# -- offsets and ids ---------------------------------------------------------------


def test_offsets_start_at_one_and_rise_by_one(broker: Broker) -> None:
    publish(broker, ANNA, times=3)
    assert history(broker, ANNA) == [1, 2, 3]


def test_each_channel_has_its_own_offsets(broker: Broker) -> None:
    publish(broker, ANNA)
    publish(broker, ANNA, TABLE)
    assert history(broker, ANNA) == [1, 2]
    assert history(broker, TABLE) == [1]


def test_new_channel_has_offset_zero_and_keeps_its_epoch(broker: Broker) -> None:
    tip = broker.tip(ANNA)
    assert tip.offset == 0
    assert broker.tip(ANNA) == tip
    publish(broker, ANNA)
    assert broker.tip(ANNA) == EventId(tip.epoch, 1)


def test_known_tip_creates_no_place(broker: Broker) -> None:
    assert broker.known_tip(ANNA) is None
    assert broker.known_tip(ANNA) is None
    tip = broker.tip(ANNA)
    assert broker.known_tip(ANNA) == tip
    publish(broker, ANNA, BEN)
    assert broker.known_tip(ANNA) == EventId(tip.epoch, 1)
    assert broker.known_tip(BEN) == broker.tip(BEN)


def test_id_of_a_tip_is_unchanged_after_formatting_and_parsing(broker: Broker) -> None:
    publish(broker, ANNA)
    tip = broker.tip(ANNA)
    assert EventId.parse(str(tip)) == tip


def test_channels_have_different_epochs(broker: Broker) -> None:
    assert broker.tip(ANNA).epoch != broker.tip(BEN).epoch


def test_channels_that_begin_with_the_same_event_have_different_epochs(broker: Broker) -> None:
    publish(broker, ANNA, BEN, TABLE)
    tips = [broker.tip(channel) for channel in (ANNA, BEN, TABLE)]
    assert len({tip.epoch for tip in tips}) == 3
    assert [EventId.parse(str(tip)) for tip in tips] == tips


# -- history -----------------------------------------------------------------------


def test_history_returns_the_published_bytes(broker: Broker) -> None:
    odd = b'event: odd\ndata: {"text":"caf\\u00e9 \\u2028"}\ndata: \x00\x01\n'
    broker.publish([ANNA], odd, key="odd")
    (event,) = broker.read(ANNA, start_of(broker, ANNA), EVERYTHING).events
    assert event.block == odd + f"id: {broker.tip(ANNA)}\n\n".encode()


def test_history_is_read_from_a_given_place(broker: Broker) -> None:
    publish(broker, ANNA, times=5)
    after = EventId(broker.tip(ANNA).epoch, 3)
    assert [event.offset for event in broker.read(ANNA, after, EVERYTHING).events] == [4, 5]


def test_history_is_read_page_by_page(broker: Broker) -> None:
    publish(broker, ANNA, times=5)
    place, pages = start_of(broker, ANNA), []
    while events := broker.read(ANNA, place, 2).events:
        pages.append([event.offset for event in events])
        place = events[-1].event_id
    assert pages == [[1, 2], [3, 4], [5]]


def test_newest_place_has_no_later_events_and_no_gap(broker: Broker) -> None:
    publish(broker, ANNA)
    page = broker.read(ANNA, broker.tip(ANNA), EVERYTHING)
    assert not page.events
    assert not page.is_gap


def test_place_of_a_channel_without_events_is_no_gap(broker: Broker) -> None:
    assert not broker.read(ANNA, broker.tip(ANNA), EVERYTHING).is_gap


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_place_of_another_epoch_is_a_gap(broker: Broker, offset: int) -> None:
    publish(broker, ANNA, times=2)
    page = broker.read(ANNA, EventId("0ther", offset), EVERYTHING)
    assert page.is_gap
    assert not page.events


def test_place_in_the_future_is_a_gap(broker: Broker) -> None:
    publish(broker, ANNA)
    beyond = EventId(broker.tip(ANNA).epoch, 2)
    assert broker.read(ANNA, beyond, EVERYTHING).is_gap


@pytest.mark.parametrize("offset", [10**17, 10**18 - 1])
def test_place_far_beyond_any_counter_is_a_gap(broker: Broker, offset: int) -> None:
    publish(broker, ANNA)
    assert broker.read(ANNA, EventId(broker.tip(ANNA).epoch, offset), EVERYTHING).is_gap


# -- limits ------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["main:floor:main", "main:kitchen:main"])
def test_floor_and_kitchen_keep_ten_times_as_much(make_broker: MakeBroker, channel: str) -> None:
    broker = make_broker(max_events=3)
    publish(broker, channel, times=35)
    assert history(broker, channel) == list(range(6, 36))


def test_floor_keeps_ten_times_as_many_bytes(make_broker: MakeBroker) -> None:
    event_body = b"data: " + b"x" * 93 + b"\n"
    broker = make_broker(max_bytes=300)
    for channel in (ANNA, "main:floor:main"):
        for number in range(40):
            broker.publish([channel], event_body, key=f"{channel}-{number}")
    assert len(history(broker, ANNA)) == 2
    assert 20 <= len(history(broker, "main:floor:main")) <= 29


def test_history_keeps_at_most_its_limit_of_events(make_broker: MakeBroker) -> None:
    broker = make_broker(max_events=3)
    publish(broker, ANNA, times=5)
    assert history(broker, ANNA) == [3, 4, 5]


def test_only_places_from_just_before_the_oldest_event_on_are_known(
    make_broker: MakeBroker,
) -> None:
    broker = make_broker(max_events=3)
    publish(broker, ANNA, times=5)
    epoch = broker.tip(ANNA).epoch
    assert not broker.read(ANNA, EventId(epoch, 2), EVERYTHING).is_gap
    assert broker.read(ANNA, EventId(epoch, 1), EVERYTHING).is_gap


def test_history_keeps_at_most_its_limit_of_bytes(make_broker: MakeBroker) -> None:
    block_bytes = len(BODY) + len("id: 12345678-1\n\n")
    broker = make_broker(max_bytes=10 * block_bytes)
    publish(broker, ANNA, times=100)
    kept = history(broker, ANNA)
    assert kept[-1] == 100
    assert 8 <= len(kept) <= 10


def test_event_larger_than_the_history_is_delivered_and_not_kept(
    make_broker: MakeBroker, ear: Ear
) -> None:
    broker = make_broker(max_bytes=100)
    broker.subscribe(ANNA)
    broker.publish([ANNA], b"event: x\ndata: " + b"x" * 100 + b"\n", key="large")
    publish(broker, ANNA)
    assert delivered(broker, ear, ANNA) == [1, 2]
    assert history(broker, ANNA) == [2]


def test_history_forgets_events_that_are_too_old(
    make_broker: MakeBroker, grow_older: GrowOlder
) -> None:
    broker = make_broker(max_age_seconds=2)
    publish(broker, ANNA)
    start = start_of(broker, ANNA)
    assert not broker.read(ANNA, start, EVERYTHING).is_gap
    grow_older(2.1)
    assert broker.read(ANNA, start, EVERYTHING).is_gap


def test_old_events_are_removed_while_newer_ones_stay(
    make_broker: MakeBroker, grow_older: GrowOlder
) -> None:
    broker = make_broker(max_age_seconds=3)
    publish(broker, ANNA, times=3)
    grow_older(2.5)
    publish(broker, ANNA, times=2)
    grow_older(0.6)
    assert history(broker, ANNA) == [4, 5]


def test_offsets_continue_after_everything_was_trimmed(
    make_broker: MakeBroker, ear: Ear, grow_older: GrowOlder
) -> None:
    broker = make_broker(max_age_seconds=0.1)
    broker.subscribe(ANNA)
    publish(broker, ANNA, times=2)
    tip = broker.tip(ANNA)
    grow_older(0.2)
    assert broker.read(ANNA, EventId(tip.epoch, 1), EVERYTHING).is_gap
    publish(broker, ANNA)
    assert delivered(broker, ear, ANNA) == [1, 2, 3]
    assert broker.tip(ANNA) == EventId(tip.epoch, 3)


@pytest.mark.parametrize("limit", [{"max_events": 0}, {"max_age_seconds": 0}, {"max_bytes": 0}])
def test_events_are_delivered_even_if_no_history_is_kept(
    make_broker: MakeBroker, ear: Ear, limit: dict[str, float], grow_older: GrowOlder
) -> None:
    broker = make_broker(**limit)
    broker.subscribe(ANNA)
    tip = broker.tip(ANNA)
    publish(broker, ANNA, times=3)
    assert delivered(broker, ear, ANNA) == [1, 2, 3]
    assert ear.resyncs == []
    grow_older(0.01)
    assert broker.read(ANNA, tip, EVERYTHING).is_gap
    assert not broker.read(ANNA, broker.tip(ANNA), EVERYTHING).is_gap


# -- keys --------------------------------------------------------------------------


def test_key_enters_a_history_once(broker: Broker, ear: Ear) -> None:
    broker.subscribe(ANNA)
    for _ in range(3):
        broker.publish([ANNA, TABLE], BODY, key="change-1")
    broker.publish([ANNA], BODY, key="change-2")
    assert delivered(broker, ear, ANNA) == [1, 2]
    assert history(broker, ANNA) == [1, 2]
    assert history(broker, TABLE) == [1]


def test_key_is_remembered_after_its_event_was_trimmed(make_broker: MakeBroker) -> None:
    broker = make_broker(max_events=1)
    broker.publish([ANNA], BODY, key="first")
    publish(broker, ANNA, times=3)
    broker.publish([ANNA], BODY, key="first")
    assert broker.tip(ANNA).offset == 4


def test_repeated_publication_enters_the_channels_that_do_not_have_it(broker: Broker) -> None:
    broker.publish([ANNA], BODY, key="change-1")
    broker.publish([ANNA, BEN], BODY, key="change-1")
    assert history(broker, ANNA) == [1]
    assert history(broker, BEN) == [1]


def test_long_keys_that_differ_at_the_end_are_different(broker: Broker) -> None:
    for last in "ab":
        for _ in range(2):
            broker.publish([ANNA], BODY, key="é{}:*\\" + "k" * 73 + last)
    assert history(broker, ANNA) == [1, 2]


# -- the sink ----------------------------------------------------------------------


def test_event_enters_every_channel_although_the_sink_raises(
    broker: Broker, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(channel: str, event: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(ear, "deliver", refuse)
    broker.subscribe(ANNA)
    broker.publish([ANNA, TABLE], BODY, key="change-1")
    broker.publish([ANNA, TABLE], BODY, key="change-1")
    assert history(broker, ANNA) == [1]
    assert history(broker, TABLE) == [1]


def test_sink_gets_events_of_subscribed_channels_only(broker: Broker, ear: Ear) -> None:
    broker.subscribe(ANNA)
    publish(broker, ANNA, BEN, TABLE, times=2)
    assert delivered(broker, ear, ANNA) == [1, 2]
    assert set(ear.events) == {ANNA, MARKER}


def test_sink_gets_the_same_bytes_as_a_reader(broker: Broker, ear: Ear) -> None:
    broker.subscribe(ANNA)
    publish(broker, ANNA, times=2)
    delivered(broker, ear, ANNA)
    events = broker.read(ANNA, start_of(broker, ANNA), EVERYTHING).events
    assert [event.chunk for event in ear.events[ANNA]] == [event.chunk for event in events]


def test_every_event_published_after_subscribe_returned_is_delivered(
    broker: Broker, ear: Ear
) -> None:
    channels = [f"main:session:{number}" for number in range(100)]

    def subscribe_and_publish(channel: str) -> None:
        broker.subscribe(channel)
        publish(broker, channel)

    gevent.joinall(
        [gevent.spawn(subscribe_and_publish, each) for each in channels], raise_error=True
    )
    for channel in channels:
        assert delivered(broker, ear, channel) == [1]


def test_repeated_subscription_delivers_no_event_twice(broker: Broker, ear: Ear) -> None:
    for _ in range(3):
        broker.subscribe(ANNA)
    publish(broker, ANNA)
    assert delivered(broker, ear, ANNA) == [1]


def test_unsubscribed_channel_is_no_longer_delivered(broker: Broker, ear: Ear) -> None:
    broker.subscribe(ANNA)
    broker.subscribe(BEN)
    broker.unsubscribe(ANNA)
    publish(broker, ANNA, BEN)
    assert delivered(broker, ear, BEN) == [1]
    assert ear.offsets(ANNA) == []


def test_unsubscribing_an_unknown_channel_does_nothing(broker: Broker) -> None:
    broker.unsubscribe(ANNA)
    publish(broker, ANNA)
    assert history(broker, ANNA) == [1]


def test_new_subscription_delivers_only_later_events(broker: Broker, ear: Ear) -> None:
    broker.subscribe(ANNA)
    publish(broker, ANNA)
    assert delivered(broker, ear, ANNA) == [1]
    broker.unsubscribe(ANNA)
    publish(broker, ANNA)
    broker.subscribe(ANNA)
    ear.forget(ANNA)
    publish(broker, ANNA)
    assert delivered(broker, ear, ANNA) == [1, 3]
    assert ear.resyncs == []


def test_last_of_many_quick_subscriptions_and_cancellations_counts(
    broker: Broker, ear: Ear
) -> None:
    for number in range(50):
        broker.subscribe(ANNA)
        broker.unsubscribe(ANNA)
        broker.subscribe(BEN)
        if number % 3 == 0:
            pass_turn()
        broker.unsubscribe(BEN)
    broker.subscribe(ANNA)
    publish(broker, ANNA, BEN)
    assert delivered(broker, ear, ANNA) == [1]
    assert ear.offsets(BEN) == []


def test_reader_that_subscribes_first_misses_no_event(broker: Broker, ear: Ear) -> None:
    """Each event is read, delivered or both, also while others publish."""
    is_publishing = True

    def keep_publishing() -> None:
        while is_publishing:
            publish(broker, ANNA)
            gevent.sleep(0)

    publisher = gevent.spawn(keep_publishing)
    for _ in range(20):
        ear.events.clear()
        ear.forget(ANNA)
        # Each round takes a new place, because earlier events may have been trimmed.
        start = broker.tip(ANNA)
        broker.subscribe(ANNA)
        page = broker.read(ANNA, start, EVERYTHING)
        assert not page.is_gap
        wait_in_loop(lambda: len(ear.events[ANNA]) > 3)
        known = {*(event.offset for event in page.events), *ear.offsets(ANNA)}
        assert known >= set(range(start.offset + 1, max(known) + 1))
        broker.unsubscribe(ANNA)
    is_publishing = False
    publisher.join()


def test_event_that_was_read_is_not_delivered_later(broker: Broker, ear: Ear) -> None:
    """Otherwise a stream that goes live would get an event that it has already read."""
    is_publishing = True

    def keep_publishing() -> None:
        while is_publishing:
            publish(broker, ANNA)
            gevent.sleep(0)

    broker.subscribe(ANNA)
    broker.tip(ANNA)
    publisher = gevent.spawn(keep_publishing)
    for _ in range(100):
        tip = broker.tip(ANNA)
        assert len(ear.events[ANNA]) >= tip.offset
        read = broker.read(ANNA, tip, EVERYTHING).events
        assert not read or len(ear.events[ANNA]) >= read[-1].offset
    is_publishing = False
    publisher.join()


# -- text that is remembered with the histories ------------------------------------------


def test_remembered_text_is_replaced_only_when_its_former_value_is_given(broker: Broker) -> None:
    assert broker.remembered() is None
    broker.remember("first", instead_of=None)
    broker.remember("late", instead_of=None)
    assert broker.remembered() == "first"
    broker.remember("second", instead_of="first")
    assert broker.remembered() == "second"


def test_new_beginning_ends_every_history_and_resyncs_each_channel_once(
    broker: Broker, ear: Ear
) -> None:
    broker.subscribe(ANNA)
    broker.subscribe(BEN)
    publish(broker, ANNA, times=2)
    wait_in_loop(lambda: ear.offsets(ANNA) == [1, 2])
    place = broker.tip(ANNA)
    broker.remember("before", instead_of=None)

    broker.begin_again("after", instead_of="before")
    # Another process has found the same.
    broker.begin_again("too late", instead_of="before")
    wait_in_loop(lambda: len(ear.resyncs) == 2)

    assert broker.remembered() == "after"
    assert broker.read(ANNA, place, EVERYTHING).is_gap
    publish(broker, ANNA)
    wait_in_loop(lambda: ear.offsets(ANNA) == [1, 2, 1])
    assert sorted(channel for channel, _ in ear.resyncs) == [ANNA, BEN]


# -- the deployment ----------------------------------------------------------------


def test_working_broker_reports_that_it_is_up(broker: Broker) -> None:
    status = broker.status()
    assert status.is_up
    assert status.kind == broker.kind
    assert status.detail is None


def test_sweep_removes_nothing_within_the_limits(broker: Broker, ear: Ear) -> None:
    broker.subscribe(BEN)
    tip = broker.tip(BEN)
    publish(broker, ANNA, times=2)
    broker.sweep()
    assert history(broker, ANNA) == [1, 2]
    assert broker.tip(BEN) == tip
    publish(broker, BEN)
    assert delivered(broker, ear, BEN) == [1]


def test_second_start_changes_nothing(broker: Broker, ear: Ear) -> None:
    broker.start(ear)
    broker.subscribe(ANNA)
    publish(broker, ANNA)
    assert delivered(broker, ear, ANNA) == [1]


def test_stopped_broker_delivers_nothing_and_can_be_stopped_again(broker: Broker, ear: Ear) -> None:
    broker.subscribe(ANNA)
    broker.stop()
    broker.stop()
    with suppress(BrokerUnavailable):
        publish(broker, ANNA)
    pass_turn()
    assert ear.events == {}
