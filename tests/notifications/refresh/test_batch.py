"""Which triggers join into one batch, and when the batch is due."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.events.cache_refresh import AffectedData
from notifications.refresh.batch import MAX_AFFECTED_IDS, MAX_REASONS, Batch
from notifications.refresh.trigger import Priority, Trigger

TARGET = "main:waiter:anna"
HIGH, MEDIUM, LOW = Priority


def trigger(
    priority: Priority = HIGH, kind: str = "orders", *ids: str, reason: str | None = None
) -> Trigger:
    return Trigger.checked([kind], priority, affected_ids=ids, reason=reason)


def batch_of(*arrivals: tuple[float, Priority]) -> Batch:
    """Join triggers given as (seconds, priority)."""
    (first_at, first), *others = arrivals
    batch = Batch.opened(TARGET, trigger(first), first_at)
    for now, priority in others:
        batch = batch.joined_by(trigger(priority), now)
    return batch


@pytest.mark.parametrize(("priority", "quiet"), [(HIGH, 0.2), (MEDIUM, 1.0), (LOW, 5.0)])
def test_lone_trigger_waits_one_quiet_time(priority: Priority, quiet: float) -> None:
    assert batch_of((100.0, priority)).due_at == pytest.approx(100.0 + quiet)


def test_each_further_trigger_delays_the_batch() -> None:
    assert batch_of((0.0, HIGH), (0.15, HIGH), (0.3, HIGH)).due_at == pytest.approx(0.5)


def test_endless_triggers_cannot_delay_a_batch_past_its_maximum_wait() -> None:
    arrivals = [(tenth / 10, HIGH) for tenth in range(30)]
    assert batch_of(*arrivals).due_at == pytest.approx(1.0)


def test_higher_priority_makes_a_batch_due_sooner() -> None:
    assert batch_of((0.0, LOW), (1.0, HIGH)).due_at == pytest.approx(1.2)
    assert batch_of((0.0, LOW), (1.0, MEDIUM)).due_at == pytest.approx(2.0)


def test_higher_priority_never_delays_a_batch_that_was_due_sooner() -> None:
    assert batch_of((0.0, MEDIUM), (0.9, HIGH)).due_at == pytest.approx(1.0)
    assert batch_of((0.0, MEDIUM), (0.9, HIGH), (0.95, HIGH)).due_at == pytest.approx(1.0)


def test_maximum_wait_counts_from_the_first_trigger_of_the_higher_priority() -> None:
    arrivals = [(3.0 + tenth / 10, HIGH) for tenth in range(15)]
    assert batch_of((0.0, LOW), *arrivals).due_at == pytest.approx(4.0)


@pytest.mark.parametrize("late", [0.0, 0.1, 0.19])
def test_lower_priority_does_not_change_when_a_batch_is_due(late: float) -> None:
    assert batch_of((0.0, HIGH), (late, MEDIUM), (late, LOW)).due_at == pytest.approx(0.2)


def test_lower_priority_does_not_delay_a_batch_that_it_opened() -> None:
    # The first trigger makes the batch due at 1.0. The third must not make it 1.1 because of
    # the second.
    assert batch_of((0.0, MEDIUM), (0.9, HIGH), (0.95, MEDIUM)).due_at == pytest.approx(1.0)


def test_status_change_is_one_batch_of_high_priority_with_both_kinds() -> None:
    batch = Batch.opened(TARGET, trigger(MEDIUM, "analytics"), 0.0)
    batch = batch.joined_by(trigger(HIGH, "orders", "ord-1", reason="Order ord-1 moved"), 0.0)

    assert batch.due_at == pytest.approx(0.2)
    assert batch.affected_data == ("orders", "analytics")
    assert batch.affected_ids == ("ord-1",)
    assert batch.reason == "Order ord-1 moved"
    assert batch.triggers == 2


def test_kinds_keep_their_fixed_order_and_ids_their_order_of_arrival() -> None:
    batch = Batch.opened(TARGET, trigger(HIGH, "reviews", "r-2", "r-1"), 0.0)
    batch = batch.joined_by(trigger(HIGH, "requests", "req-9", "r-1"), 0.0)

    assert batch.affected_data == (AffectedData.REQUESTS, AffectedData.REVIEWS)
    assert batch.affected_ids == ("r-2", "r-1", "req-9")


def test_batch_with_too_many_ids_names_none_from_then_on() -> None:
    ids = [f"ord-{number}" for number in range(MAX_AFFECTED_IDS)]
    batch = Batch.opened(TARGET, trigger(HIGH, "orders", *ids), 0.0)
    assert batch.affected_ids == tuple(ids)

    batch = batch.joined_by(trigger(HIGH, "orders", "one-more"), 0.0)
    assert batch.affected_ids == ()
    assert batch.joined_by(trigger(HIGH, "orders", "ord-1"), 0.0).affected_ids == ()


def test_trigger_without_ids_removes_the_ids_of_the_batch() -> None:
    some = Batch.opened(TARGET, trigger(HIGH, "orders", "ord-1"), 0.0)
    assert some.joined_by(trigger(HIGH, "orders"), 0.0).affected_ids == ()
    any_order = Batch.opened(TARGET, trigger(HIGH, "orders"), 0.0)
    assert any_order.joined_by(trigger(HIGH, "orders", "ord-1"), 0.0).affected_ids == ()


def test_each_reason_is_named_once_and_reasons_beyond_the_limit_are_counted() -> None:
    batch = Batch.opened(TARGET, trigger(reason="again"), 0.0)
    batch = batch.joined_by(trigger(reason="again"), 0.0).joined_by(trigger(), 0.0)
    assert batch.reason == "again"

    for number in range(MAX_REASONS + 2):
        batch = batch.joined_by(trigger(reason=f"reason {number}"), 0.0)
    assert len(batch.reasons) == MAX_REASONS
    assert batch.reason.startswith("again; reason 0; ")
    assert batch.reason.endswith("; and 3 more")


gaps = st.floats(min_value=0.0, max_value=1.5, allow_nan=False)
arrival_lists = st.lists(st.tuples(gaps, st.sampled_from(Priority)), min_size=1, max_size=40)


def joined_in_time(arrivals: list[tuple[float, Priority]]) -> list[tuple[float, Priority, Batch]]:
    """Join triggers, each a gap after the one before, until the batch is due."""
    now, batch, history = 0.0, None, []
    for gap, priority in arrivals:
        now += gap
        if batch is not None and now >= batch.due_at:
            break
        joining = trigger(priority)
        batch = batch.joined_by(joining, now) if batch else Batch.opened(TARGET, joining, now)
        history.append((now, priority, batch))
    return history


@given(arrival_lists)
def test_no_trigger_waits_longer_than_the_maximum_of_its_priority(
    arrivals: list[tuple[float, Priority]],
) -> None:
    history = joined_in_time(arrivals)
    due_at = history[-1][2].due_at
    for now, priority, _ in history:
        assert due_at <= now + priority.max_wait_seconds + 1e-9


@given(arrival_lists)
def test_only_a_trigger_of_the_same_priority_delays_a_batch(
    arrivals: list[tuple[float, Priority]],
) -> None:
    history = joined_in_time(arrivals)
    for (_, _, before), (_, priority, after) in pairwise(history):
        if priority is not before.priority:
            assert after.due_at <= before.due_at
        assert after.id == before.id


@given(arrival_lists)
def test_batch_is_due_at_the_soonest_moment_that_its_priorities_ask_for(
    arrivals: list[tuple[float, Priority]],
) -> None:
    history = joined_in_time(arrivals)
    first: dict[Priority, float] = {}
    last: dict[Priority, float] = {}
    for now, priority, batch in history:
        first.setdefault(priority, now)
        # A trigger that joins one of higher priority does not move the moment.
        if not any(present.is_above(priority) for present in first):
            last[priority] = now
        wanted = min(
            min(last[each] + each.quiet_seconds, first[each] + each.max_wait_seconds)
            for each in last
        )
        assert batch.due_at == pytest.approx(wanted)


@given(st.permutations([(HIGH, "orders", "o-1"), (MEDIUM, "sessions", "s-1"), (LOW, "all", "x")]))
def test_joined_batch_does_not_depend_on_the_order_of_its_triggers(
    triggers: list[tuple[Priority, str, str]],
) -> None:
    batch = Batch.opened(TARGET, trigger(*triggers[0]), 0.0)
    for each in triggers[1:]:
        batch = batch.joined_by(trigger(*each), 0.0)
    assert batch.affected_data == ("orders", "sessions", "all")
    assert set(batch.affected_ids) == {"o-1", "s-1", "x"}
    assert batch.due_at == pytest.approx(0.2)
