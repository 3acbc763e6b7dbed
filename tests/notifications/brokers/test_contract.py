"""What brokers promise, for each of them (``notifications/brokers/base.py``)."""

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
    """Return the place before the first event there ever was."""
    return EventId(broker.tip(channel).epoch, 0)


def history(broker: Broker, channel: str) -> list[int]:
    """Return the offsets kept, found from the newest backwards."""
    tip = broker.tip(channel)
    for offset in range(tip.offset + 1):
        page = broker.read(channel, EventId(tip.epoch, offset), EVERYTHING)
        if not page.is_gap:
            return [event.offset for event in page.events]
    raise AssertionError("not even the newest place is known")


def heard(broker: Broker, ear: Ear, channel: str) -> list[int]:
    """Return the offsets that were heard of all that has been published so far."""
    broker.subscribe(MARKER)
    before = len(ear.events[MARKER])
    publish(broker, MARKER)
    # Comes the same way as they do, and after them.
    wait_in_loop(lambda: len(ear.events[MARKER]) > before)
    return ear.offsets(channel)


# -- offsets and ids ---------------------------------------------------------------


def test_offsets_rise_by_one_from_one(broker: Broker) -> None:
    publish(broker, ANNA, times=3)
    assert history(broker, ANNA) == [1, 2, 3]


def test_each_channel_counts_for_itself(broker: Broker) -> None:
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


def test_asking_for_a_place_that_may_not_exist_gives_it_none(broker: Broker) -> None:
    assert broker.known_tip(ANNA) is None
    assert broker.known_tip(ANNA) is None
    tip = broker.tip(ANNA)
    assert broker.known_tip(ANNA) == tip
    publish(broker, ANNA, BEN)
    assert broker.known_tip(ANNA) == EventId(tip.epoch, 1)
    assert broker.known_tip(BEN) == broker.tip(BEN)


def test_ids_survive_their_way_through_a_client(broker: Broker) -> None:
    publish(broker, ANNA)
    tip = broker.tip(ANNA)
    assert EventId.parse(str(tip)) == tip


def test_channels_have_different_epochs(broker: Broker) -> None:
    assert broker.tip(ANNA).epoch != broker.tip(BEN).epoch


def test_channels_that_begin_with_one_event_have_different_epochs(broker: Broker) -> None:
    publish(broker, ANNA, BEN, TABLE)
    tips = [broker.tip(channel) for channel in (ANNA, BEN, TABLE)]
    assert len({tip.epoch for tip in tips}) == 3
    assert [EventId.parse(str(tip)) for tip in tips] == tips


# -- history -----------------------------------------------------------------------


def test_history_gives_back_what_was_published(broker: Broker) -> None:
    odd = b'event: odd\ndata: {"text":"caf\\u00e9 \\u2028"}\ndata: \x00\x01\n'
    broker.publish([ANNA], odd, key="odd")
    (event,) = broker.read(ANNA, start_of(broker, ANNA), EVERYTHING).events
    assert event.block == odd + f"id: {broker.tip(ANNA)}\n\n".encode()


def test_history_is_read_from_a_place_on(broker: Broker) -> None:
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


def test_newest_place_has_nothing_behind_it_and_is_no_gap(broker: Broker) -> None:
    publish(broker, ANNA)
    page = broker.read(ANNA, broker.tip(ANNA), EVERYTHING)
    assert not page.events
    assert not page.is_gap


def test_place_in_a_channel_without_events_is_no_gap(broker: Broker) -> None:
    assert not broker.read(ANNA, broker.tip(ANNA), EVERYTHING).is_gap


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_place_of_another_epoch_is_a_gap(broker: Broker, offset: int) -> None:
    publish(broker, ANNA, times=2)
    page = broker.read(ANNA, EventId("0ther", offset), EVERYTHING)
    assert page.is_gap
    assert not page.events


def test_place_that_is_still_to_come_is_a_gap(broker: Broker) -> None:
    publish(broker, ANNA)
    beyond = EventId(broker.tip(ANNA).epoch, 2)
    assert broker.read(ANNA, beyond, EVERYTHING).is_gap


@pytest.mark.parametrize("offset", [10**17, 10**18 - 1])
def test_place_far_beyond_any_counter_is_a_gap(broker: Broker, offset: int) -> None:
    publish(broker, ANNA)
    assert broker.read(ANNA, EventId(broker.tip(ANNA).epoch, offset), EVERYTHING).is_gap


# -- limits ------------------------------------------------------------------------


def test_history_keeps_no_more_events_than_it_may(make_broker: MakeBroker) -> None:
    broker = make_broker(max_events=3)
    publish(broker, ANNA, times=5)
    assert history(broker, ANNA) == [3, 4, 5]


def test_place_before_the_oldest_event_kept_is_known_and_the_one_before_is_a_gap(
    make_broker: MakeBroker,
) -> None:
    broker = make_broker(max_events=3)
    publish(broker, ANNA, times=5)
    epoch = broker.tip(ANNA).epoch
    assert not broker.read(ANNA, EventId(epoch, 2), EVERYTHING).is_gap
    assert broker.read(ANNA, EventId(epoch, 1), EVERYTHING).is_gap


def test_history_keeps_no_more_bytes_than_it_may(make_broker: MakeBroker) -> None:
    block_bytes = len(BODY) + len("id: 12345678-1\n\n")
    broker = make_broker(max_bytes=10 * block_bytes)
    publish(broker, ANNA, times=100)
    kept = history(broker, ANNA)
    assert kept[-1] == 100
    assert 8 <= len(kept) <= 10


def test_event_larger_than_the_history_is_heard_and_not_kept(
    make_broker: MakeBroker, ear: Ear
) -> None:
    broker = make_broker(max_bytes=100)
    broker.subscribe(ANNA)
    broker.publish([ANNA], b"event: x\ndata: " + b"x" * 100 + b"\n", key="large")
    publish(broker, ANNA)
    assert heard(broker, ear, ANNA) == [1, 2]
    assert history(broker, ANNA) == [2]


def test_history_forgets_what_is_too_old(make_broker: MakeBroker, grow_older: GrowOlder) -> None:
    broker = make_broker(max_age_seconds=2)
    publish(broker, ANNA)
    start = start_of(broker, ANNA)
    assert not broker.read(ANNA, start, EVERYTHING).is_gap
    grow_older(2.1)
    assert broker.read(ANNA, start, EVERYTHING).is_gap


def test_old_events_go_while_young_ones_stay(
    make_broker: MakeBroker, grow_older: GrowOlder
) -> None:
    broker = make_broker(max_age_seconds=3)
    publish(broker, ANNA, times=3)
    grow_older(2.5)
    publish(broker, ANNA, times=2)
    grow_older(0.6)
    assert history(broker, ANNA) == [4, 5]


def test_ids_go_on_where_everything_was_trimmed(
    make_broker: MakeBroker, ear: Ear, grow_older: GrowOlder
) -> None:
    broker = make_broker(max_age_seconds=0.1)
    broker.subscribe(ANNA)
    publish(broker, ANNA, times=2)
    tip = broker.tip(ANNA)
    grow_older(0.2)
    assert broker.read(ANNA, EventId(tip.epoch, 1), EVERYTHING).is_gap
    publish(broker, ANNA)
    assert heard(broker, ear, ANNA) == [1, 2, 3]
    assert broker.tip(ANNA) == EventId(tip.epoch, 3)


@pytest.mark.parametrize("limit", [{"max_events": 0}, {"max_age_seconds": 0}, {"max_bytes": 0}])
def test_without_history_events_are_still_heard(
    make_broker: MakeBroker, ear: Ear, limit: dict[str, float], grow_older: GrowOlder
) -> None:
    broker = make_broker(**limit)
    broker.subscribe(ANNA)
    tip = broker.tip(ANNA)
    publish(broker, ANNA, times=3)
    assert heard(broker, ear, ANNA) == [1, 2, 3]
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
    assert heard(broker, ear, ANNA) == [1, 2]
    assert history(broker, ANNA) == [1, 2]
    assert history(broker, TABLE) == [1]


def test_key_is_remembered_when_its_event_is_no_longer_kept(make_broker: MakeBroker) -> None:
    broker = make_broker(max_events=1)
    broker.publish([ANNA], BODY, key="first")
    publish(broker, ANNA, times=3)
    broker.publish([ANNA], BODY, key="first")
    assert broker.tip(ANNA).offset == 4


def test_repeated_publication_reaches_the_channels_that_do_not_have_it(broker: Broker) -> None:
    broker.publish([ANNA], BODY, key="change-1")
    broker.publish([ANNA, BEN], BODY, key="change-1")
    assert history(broker, ANNA) == [1]
    assert history(broker, BEN) == [1]


def test_keys_of_eighty_odd_characters_are_told_apart(broker: Broker) -> None:
    for last in "ab":
        for _ in range(2):
            broker.publish([ANNA], BODY, key="é{}:*\\" + "k" * 73 + last)
    assert history(broker, ANNA) == [1, 2]


# -- the sink ----------------------------------------------------------------------


def test_sink_that_raises_costs_no_channel_its_event(
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


def test_sink_hears_what_it_is_subscribed_to(broker: Broker, ear: Ear) -> None:
    broker.subscribe(ANNA)
    publish(broker, ANNA, BEN, TABLE, times=2)
    assert heard(broker, ear, ANNA) == [1, 2]
    assert set(ear.events) == {ANNA, MARKER}


def test_sink_hears_the_same_bytes_that_are_read(broker: Broker, ear: Ear) -> None:
    broker.subscribe(ANNA)
    publish(broker, ANNA, times=2)
    heard(broker, ear, ANNA)
    events = broker.read(ANNA, start_of(broker, ANNA), EVERYTHING).events
    assert [event.chunk for event in ear.events[ANNA]] == [event.chunk for event in events]


def test_everything_published_after_subscribe_returned_is_heard(broker: Broker, ear: Ear) -> None:
    channels = [f"main:session:{number}" for number in range(100)]

    def come_and_be_told(channel: str) -> None:
        broker.subscribe(channel)
        publish(broker, channel)

    gevent.joinall([gevent.spawn(come_and_be_told, each) for each in channels], raise_error=True)
    for channel in channels:
        assert heard(broker, ear, channel) == [1]


def test_subscribing_again_doubles_nothing(broker: Broker, ear: Ear) -> None:
    for _ in range(3):
        broker.subscribe(ANNA)
    publish(broker, ANNA)
    assert heard(broker, ear, ANNA) == [1]


def test_after_unsubscribe_nothing_more_is_heard(broker: Broker, ear: Ear) -> None:
    broker.subscribe(ANNA)
    broker.subscribe(BEN)
    broker.unsubscribe(ANNA)
    publish(broker, ANNA, BEN)
    assert heard(broker, ear, BEN) == [1]
    assert ear.offsets(ANNA) == []


def test_unsubscribing_a_stranger_does_nothing(broker: Broker) -> None:
    broker.unsubscribe(ANNA)
    publish(broker, ANNA)
    assert history(broker, ANNA) == [1]


def test_who_subscribes_again_hears_only_what_is_new(broker: Broker, ear: Ear) -> None:
    broker.subscribe(ANNA)
    publish(broker, ANNA)
    assert heard(broker, ear, ANNA) == [1]
    broker.unsubscribe(ANNA)
    publish(broker, ANNA)
    broker.subscribe(ANNA)
    ear.forget(ANNA)
    publish(broker, ANNA)
    assert heard(broker, ear, ANNA) == [1, 3]
    assert ear.resyncs == []


def test_subscriptions_that_come_and_go_at_once_end_as_the_last_said(
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
    assert heard(broker, ear, ANNA) == [1]
    assert ear.offsets(BEN) == []


def test_who_reads_after_subscribing_misses_nothing(broker: Broker, ear: Ear) -> None:
    """In what was read, in what is heard, or in both; while others publish."""
    is_publishing = True

    def keep_publishing() -> None:
        while is_publishing:
            publish(broker, ANNA)
            gevent.sleep(0)

    publisher = gevent.spawn(keep_publishing)
    for _ in range(20):
        ear.events.clear()
        ear.forget(ANNA)
        # A place of this round: the first events may have been trimmed by the last round.
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


def test_what_was_read_is_not_told_later(broker: Broker, ear: Ear) -> None:
    """So that a stream that went live hears nothing it has read already."""
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


# -- what is remembered with the histories -------------------------------------------


def test_what_is_remembered_is_replaced_only_by_who_knows_it(broker: Broker) -> None:
    assert broker.remembered() is None
    broker.remember("first", instead_of=None)
    broker.remember("late", instead_of=None)
    assert broker.remembered() == "first"
    broker.remember("second", instead_of="first")
    assert broker.remembered() == "second"


def test_beginning_again_ends_every_history_and_resyncs_each_channel_once(
    broker: Broker, ear: Ear
) -> None:
    broker.subscribe(ANNA)
    broker.subscribe(BEN)
    publish(broker, ANNA, times=2)
    wait_in_loop(lambda: ear.offsets(ANNA) == [1, 2])
    place = broker.tip(ANNA)
    broker.remember("before", instead_of=None)

    broker.begin_again("after", instead_of="before")
    # Another process, which has found the same.
    broker.begin_again("too late", instead_of="before")
    wait_in_loop(lambda: len(ear.resyncs) == 2)

    assert broker.remembered() == "after"
    assert broker.read(ANNA, place, EVERYTHING).is_gap
    publish(broker, ANNA)
    wait_in_loop(lambda: ear.offsets(ANNA) == [1, 2, 1])
    assert sorted(channel for channel, _ in ear.resyncs) == [ANNA, BEN]


# -- the deployment ----------------------------------------------------------------


def test_broker_that_works_says_so(broker: Broker) -> None:
    status = broker.status()
    assert status.is_up
    assert status.kind == broker.kind
    assert status.detail is None


def test_sweeping_takes_nothing_that_is_within_its_limits(broker: Broker, ear: Ear) -> None:
    broker.subscribe(BEN)
    tip = broker.tip(BEN)
    publish(broker, ANNA, times=2)
    broker.sweep()
    assert history(broker, ANNA) == [1, 2]
    assert broker.tip(BEN) == tip
    publish(broker, BEN)
    assert heard(broker, ear, BEN) == [1]


def test_starting_twice_changes_nothing(broker: Broker, ear: Ear) -> None:
    broker.start(ear)
    broker.subscribe(ANNA)
    publish(broker, ANNA)
    assert heard(broker, ear, ANNA) == [1]


def test_stopped_broker_feeds_nobody_and_can_be_stopped_again(broker: Broker, ear: Ear) -> None:
    broker.subscribe(ANNA)
    broker.stop()
    broker.stop()
    with suppress(BrokerUnavailable):
        publish(broker, ANNA)
    pass_turn()
    assert ear.events == {}
