"""The contract of a batch store, tested with each kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from notifications.redis.keys import RedisKeys
from notifications.redis.link import RedisLink
from notifications.refresh.batch import MAX_AFFECTED_IDS, MAX_REASONS, Batch
from notifications.refresh.batch_store import BatchStore, MemoryBatches
from notifications.refresh.redis_batch_store import RedisBatches
from notifications.refresh.trigger import Priority, Trigger

NOW = 1_700_000_000.0
LEASE_SECONDS = 10.0
ANNA, BEN = "main:waiter:anna", "main:waiter:ben"


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def store(request: pytest.FixtureRequest) -> BatchStore:
    if request.param == "memory":
        return MemoryBatches(lease_seconds=LEASE_SECONDS)
    link: RedisLink = request.getfixturevalue("make_link")()
    return RedisBatches(link, RedisKeys("restaurant:"), lease_seconds=LEASE_SECONDS)


def trigger(*ids: str, priority: str = "high", kind: str = "orders", reason: str = "") -> Trigger:
    return Trigger.checked([kind], priority, reason=reason, ids=ids)


def at(seconds: float) -> object:
    """Compare equal to that moment, to the millisecond."""
    return pytest.approx(NOW + seconds, rel=0, abs=0.001)


def only(batches: list[Batch]) -> Batch:
    (batch,) = batches
    return batch


def test_empty_store_has_nothing_due(store: BatchStore) -> None:
    assert store.next_due() is None
    assert store.lease_due(NOW, 10) == []
    assert store.lease_channel(ANNA, NOW) is None
    assert store.channels() == []
    assert store.pending() == 0


def test_batch_can_be_leased_from_its_due_moment_on(store: BatchStore) -> None:
    assert store.add(ANNA, trigger("ord-1"), NOW) == at(0.2)
    assert store.next_due() == at(0.2)
    assert store.lease_due(NOW + 0.199, 10) == []
    batch = only(store.lease_due(NOW + 0.2, 10))
    assert (batch.channel, batch.affected_ids, batch.attempts) == (ANNA, ("ord-1",), 1)


def test_triggers_added_together_join_as_if_added_one_by_one(store: BatchStore) -> None:
    additions = [
        (channel, each)
        for channel in (ANNA, BEN)
        for each in (trigger("ord-1"), trigger(kind="analytics", priority="medium"))
    ]
    assert store.add_all(additions, NOW) == at(0.2)
    for batch in store.lease_due(NOW + 0.2, 10):
        assert batch.affected_data == ("orders", "analytics")
        assert batch.affected_ids == ("ord-1",)
        assert batch.triggers == 2
    assert store.pending() == 2


def test_triggers_join_and_change_when_the_batch_is_due(store: BatchStore) -> None:
    store.add(ANNA, trigger("s-1", kind="sessions", priority="low", reason="a"), NOW)
    assert store.add(ANNA, trigger("ord-1", reason="b"), NOW + 1) == at(1.2)
    store.add(ANNA, trigger("ord-2", reason="a"), NOW + 1.1)
    assert store.next_due() == at(1.3)

    batch = only(store.lease_due(NOW + 1.3, 10))
    assert batch.priority is Priority.HIGH
    assert batch.affected_data == ("orders", "sessions")
    assert batch.affected_ids == ("s-1", "ord-1", "ord-2")
    assert batch.reasons == ("a", "b")
    assert batch.triggers == 3
    assert batch.first_at == at(0)


def test_lists_keep_their_limits(store: BatchStore) -> None:
    for number in range(MAX_AFFECTED_IDS):
        store.add(ANNA, trigger(f"ord-{number}", reason=f"reason {number % 25}"), NOW)
        store.add(BEN, trigger(f"ord-{number}", f"ord-{number + 1}"), NOW)
    anna, ben = sorted(store.lease_due(NOW + 9, 10), key=lambda batch: batch.channel)
    assert len(anna.affected_ids) == MAX_AFFECTED_IDS
    assert len(anna.reasons) == MAX_REASONS
    assert anna.reasons_left_out == 5 * 8
    assert ben.affected_ids == ()
    assert ben.is_about_any_id


def test_text_survives_the_store(store: BatchStore) -> None:
    reason = 'Ünïcödé \u2028 \U0001f35d "quoted" \\ back/slash'
    store.add(ANNA, trigger(reason=reason), NOW)
    assert only(store.lease_due(NOW + 1, 10)).reasons == (reason,)


def test_batches_that_are_due_longest_are_leased_first_up_to_the_limit(store: BatchStore) -> None:
    for number in range(5):
        store.add(f"main:waiter:w{number}", trigger(), NOW - number)
    assert len(store.lease_due(NOW + 9, 2)) == 2
    assert len(store.lease_due(NOW + 9, 9)) == 3
    assert store.lease_due(NOW + 9, 9) == []


def test_batches_of_venues_that_are_left_out_stay(store: BatchStore) -> None:
    for number in range(1500):
        store.add(f"main:session:table-{number}", trigger(), NOW)
    store.add("roma:session:table-7", trigger(), NOW + 1)
    store.add("north:session:table-7", trigger(), NOW + 1)
    leased = store.lease_due(NOW + 9, 64, {"main", "north"})
    assert [batch.channel for batch in leased] == ["roma:session:table-7"]
    assert len(store.lease_due(NOW + 9, 64, {"north"})) == 64
    assert store.lease_due(NOW + 9, 64, ["main", "north", "roma"]) == []
    assert store.pending() == 1502


def test_leased_batch_cannot_be_leased_again_until_its_lease_ends(store: BatchStore) -> None:
    store.add(ANNA, trigger(), NOW)
    first = only(store.lease_due(NOW + 1, 10))
    assert store.lease_due(NOW + 10.99, 10) == []
    assert store.lease_channel(ANNA, NOW + 10.99) is None
    assert store.next_due() == at(11)

    second = only(store.lease_due(NOW + 11, 10))
    assert second == replace(first, attempts=2), "the same batch, with the same id"


def test_done_batch_is_gone(store: BatchStore) -> None:
    store.add(ANNA, trigger(), NOW)
    store.done(only(store.lease_due(NOW + 1, 10)))
    assert store.pending() == 0
    assert store.next_due() is None
    assert store.lease_due(NOW + 99, 10) == []


def test_trigger_after_the_lease_opens_another_batch_that_waits_for_the_first(
    store: BatchStore,
) -> None:
    store.add(ANNA, trigger("ord-1"), NOW)
    first = only(store.lease_due(NOW + 0.2, 10))
    assert store.add(ANNA, trigger("ord-2"), NOW + 0.3) == at(0.5)
    assert store.pending() == 2
    assert store.lease_due(NOW + 5, 10) == []

    store.done(first)
    assert store.next_due() == at(0.5)
    second = only(store.lease_due(NOW + 5, 10))
    assert second.affected_ids == ("ord-2",)
    assert second.id != first.id


def test_postponed_batch_is_due_again_and_can_be_leased_earlier(store: BatchStore) -> None:
    store.add(ANNA, trigger(), NOW)
    store.postpone(only(store.lease_due(NOW + 1, 10)), NOW + 3)
    assert store.next_due() == at(3)
    assert store.lease_due(NOW + 2.99, 10) == []

    early = store.lease_channel(ANNA, NOW + 2)
    assert early is not None
    assert early.attempts == 2
    store.postpone(early, NOW + 3)
    assert only(store.lease_due(NOW + 3, 10)).id == early.id


def test_batch_can_be_leased_before_it_is_due(store: BatchStore) -> None:
    store.add(ANNA, trigger(priority="low"), NOW)
    store.add(BEN, trigger(priority="low"), NOW)
    assert sorted(store.channels()) == [ANNA, BEN]
    batch = store.lease_channel(ANNA, NOW)
    assert batch is not None
    assert batch.channel == ANNA
    assert store.lease_channel(ANNA, NOW) is None
    assert store.lease_channel("main:waiter:nobody", NOW) is None
    assert store.pending() == 2


def test_late_report_about_a_finished_batch_changes_nothing(store: BatchStore) -> None:
    store.add(ANNA, trigger("ord-1"), NOW)
    first = only(store.lease_due(NOW + 1, 10))
    store.done(first)
    store.add(ANNA, trigger("ord-2"), NOW + 2)
    second = only(store.lease_due(NOW + 3, 10))

    store.done(first)
    store.postpone(first, NOW + 99)
    assert store.pending() == 1
    assert store.next_due() == at(3 + LEASE_SECONDS)
    store.done(second)
    assert store.pending() == 0
