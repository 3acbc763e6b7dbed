"""How many calls one bearer or one address may make to a worker."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from notifications.entrance import rates as module
from notifications.entrance.rates import MinuteWindows, RateLimits, Rates
from notifications.errors import (
    TooManyCalls,
    TooManyChanges,
    TooManyOpens,
    TooManyVenueCalls,
    TooManyVenueChanges,
)
from notifications.principal import Principal, Role
from runtime.settings import Settings


def bearer(role: Role, subject: str) -> Principal:
    return Principal(role, subject, expires_at=2e9, issued_at=1e9)


ANNA, GUEST = bearer(Role.WAITER, "anna"), bearer(Role.CUSTOMER, "table-7")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_bearer_has_a_limit_per_minute_and_learns_when_the_next_minute_begins() -> None:
    clock = Clock()
    rates = Rates(RateLimits(guest_calls=3, staff_calls=5), clock)
    for _ in range(3):
        rates.count_call(GUEST)
    for _ in range(5):
        rates.count_call(ANNA)
    rates.count_call(bearer(Role.CUSTOMER, "table-5"))
    clock.now += 20.5
    for principal in (GUEST, ANNA):
        with pytest.raises(TooManyCalls) as refused:
            rates.count_call(principal)
        assert refused.value.retry_after_seconds == 40
    clock.now += 40
    rates.count_call(GUEST)


def test_each_venue_has_a_limit_of_calls_and_of_changes() -> None:
    clock = Clock()
    rates = Rates(RateLimits(venue_calls=3, venue_changes=1), clock)
    rates.count_in_venue("north", is_change=True)
    with pytest.raises(TooManyVenueChanges):
        rates.count_in_venue("north", is_change=True)
    rates.count_in_venue("north", is_change=False)
    clock.now += 20
    with pytest.raises(TooManyVenueCalls) as refused:
        rates.count_in_venue("north", is_change=False)
    assert refused.value.retry_after_seconds == 40
    rates.count_in_venue("main", is_change=True)


def test_guests_of_one_session_share_a_limit_of_changes_and_staff_have_none() -> None:
    clock = Clock()
    rates = Rates(RateLimits(guest_changes=3), clock)
    neighbour = Principal(
        Role.CUSTOMER, "table-7", expires_at=2e9, issued_at=1e9, token_ids=("another",)
    )
    for guest in (GUEST, neighbour, GUEST):
        rates.count_change(guest)
    for guest in (GUEST, neighbour):
        with pytest.raises(TooManyChanges) as refused:
            rates.count_change(guest)
        assert refused.value.retry_after_seconds == 60
    # Reading is counted separately, and so are other tables.
    rates.count_call(GUEST)
    rates.count_change(bearer(Role.CUSTOMER, "table-5"))
    for _ in range(1000):
        rates.count_change(ANNA)
    clock.now += 60
    rates.count_change(GUEST)


def test_one_table_needs_seven_minutes_to_push_out_a_waiters_history() -> None:
    """Each change adds at most an update and a refresh to the history."""
    clock = Clock()
    rates = Rates(RateLimits(), clock)
    # The minute began with one change, just before the waiter's device fell asleep.
    rates.count_change(GUEST)
    clock.now += 50
    asleep_since, events = clock.now, 0
    history_events = Settings.variables()["SSE_HISTORY_EVENTS"]
    assert isinstance(history_events, int)
    while events < history_events:
        try:
            rates.count_change(GUEST)
        except TooManyChanges as refused:
            clock.now += refused.retry_after_seconds
        else:
            events += 2
    assert clock.now - asleep_since >= 7 * 60


def test_streams_and_failures_are_counted_separately() -> None:
    rates = Rates(RateLimits(guest_calls=1, stream_opens=2, failures=1), Clock())
    rates.count_call(GUEST)
    rates.count_open(GUEST)
    rates.count_open(GUEST)
    with pytest.raises(TooManyOpens):
        rates.count_open(GUEST)
    rates.count_failure("10.0.0.1")
    rates.count_failure("10.0.0.2")
    with pytest.raises(TooManyCalls):
        rates.count_failure("10.0.0.1")


def test_without_limits_every_call_is_accepted() -> None:
    rates = Rates(RateLimits.none())
    for _ in range(20_000):
        rates.count_call(GUEST)
        rates.count_change(GUEST)
        rates.count_failure("10.0.0.1")


def test_made_up_addresses_take_limited_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_COUNTED", 100)
    clock = Clock()
    windows = MinuteWindows(clock)
    for number in range(1000):
        windows.incr(f"address-{number}", 60)
    assert len(windows) == 100
    # Expired counts are removed a few at a time, with each new count.
    clock.now += 61
    windows.incr("one more", 60)
    assert len(windows) == 1


def test_wrong_join_codes_are_counted_by_address_and_forgotten_after_a_minute() -> None:
    now = 100.0
    rates = Rates(RateLimits(failed_joins=3), lambda: now)
    for _ in range(3):
        rates.count_failed_join("192.0.2.7")
    now = 159.5
    with pytest.raises(TooManyCalls) as refused:
        rates.count_failed_join("192.0.2.7")
    assert refused.value.retry_after_seconds == 1
    rates.count_failed_join("192.0.2.8")
    now = 160.0
    rates.count_failed_join("192.0.2.7")


@pytest.mark.parametrize("count", [Rates.count_failed_join, Rates.count_failure])
def test_ipv6_addresses_of_one_network_are_one_client(
    count: Callable[[Rates, str], None],
) -> None:
    rates = Rates(RateLimits(failed_joins=1, failures=1), lambda: 0.0)
    count(rates, "2001:db8::1")
    with pytest.raises(TooManyCalls):
        count(rates, "2001:db8::ffff")
    count(rates, "2001:db8:0:1::1")


def test_made_up_addresses_do_not_push_out_the_counts_of_bearers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_COUNTED", 10)
    rates = Rates(RateLimits(guest_calls=1, stream_opens=1), lambda: 0.0)
    rates.count_call(GUEST)
    rates.count_open(GUEST)
    for number in range(20):
        rates.count_failure(f"10.0.0.{number}")
        rates.count_failed_join(f"10.0.0.{number}")
    with pytest.raises(TooManyCalls):
        rates.count_call(GUEST)
    with pytest.raises(TooManyOpens):
        rates.count_open(GUEST)
