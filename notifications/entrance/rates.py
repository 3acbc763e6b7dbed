"""How often one bearer, or one address without a good token, may call a worker per minute.

The counts are in each worker's memory: they protect the worker, so counting must not
wait for Redis. Both ways in to a stream and the REST API share the same object.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from notifications.errors import (
    TooManyCalls,
    TooManyChanges,
    TooManyOpens,
    TooManyVenueCalls,
    TooManyVenueChanges,
)
from notifications.principal import Principal, Role

#: How many bearers, and how many addresses, are counted. Beyond this number, the oldest count
#: is dropped: an attacker can invent addresses, but memory is limited. About 4 MB each when full.
MAX_COUNTED = 20_000


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Limits per minute and worker; 0 means no limit.

    Args:
        guest_calls: calls by the guests of one session, all of them together.
        guest_changes: how many of those calls may change something; they may come all at
            once. Each adds up to two events to the waiter's history, an update and a
            refresh, so this decides how fast one table can push out events that the
            waiter's sleeping phone has not received. A guess: three for each of 20 guests.
        staff_calls: calls by one waiter, manager or program.
        venue_calls: calls by all bearers of one venue together, once there are several
            venues. A guess: a thousand in a second, which is most of what a core serves.
        venue_changes: how many of those calls may change something. A guess: two hundred in
            a second, several times what a large venue does at its busiest.
        stream_opens: streams opened by one bearer. After a restart all streams of a bearer
            come back at once, and several times if the first try fails.
        failures: calls without a good token from one address.
        failed_joins: wrong join codes from one address, which a whole dining room may
            share. Right codes are never refused. Join codes have 60 bits, so guessing is
            hopeless at any rate. A guess: the typing errors of some tables.
    """

    guest_calls: int = 1200
    guest_changes: int = 60
    staff_calls: int = 12_000
    venue_calls: int = 60_000
    venue_changes: int = 12_000
    stream_opens: int = 3000
    failures: int = 1200
    failed_joins: int = 20

    @classmethod
    def none(cls) -> RateLimits:
        """Return limits that never refuse."""
        return cls(0, 0, 0, 0, 0, 0, 0, 0)


class MinuteWindows(Storage):
    """Counts by key. Each count begins with the key's first call and ends with its window.

    The memory of the ``limits`` library has no bound, and starts a timer that walks through
    all keys in every hundredth of a second in which it counts.
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # Each key's count and when it ends, oldest first.
        self._windows: OrderedDict[str, tuple[int, float]] = OrderedDict()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = self._clock()
        count, ends_at = self._windows.get(key, (0, 0.0))
        if ends_at <= now:
            self._windows.pop(key, None)
            count, ends_at = 0, now + expiry
            self._make_room(now)
        self._windows[key] = (count + amount, ends_at)
        return count + amount

    def _make_room(self, now: float) -> None:
        while self._windows:
            _, ends_at = next(iter(self._windows.values()))
            if ends_at > now and len(self._windows) < MAX_COUNTED:
                return
            self._windows.popitem(last=False)

    def get(self, key: str) -> int:
        count, ends_at = self._windows.get(key, (0, 0.0))
        return count if ends_at > self._clock() else 0

    def get_expiry(self, key: str) -> float:
        return self._windows.get(key, (0, self._clock()))[1]

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def __len__(self) -> int:
        return len(self._windows)


class Rates:
    """Counts calls, and refuses those over the limit. Never switches greenlets."""

    def __init__(self, limits: RateLimits, clock: Callable[[], float] = time.monotonic) -> None:
        bearers, addresses, venues = _Table(clock), _Table(clock), _Table(clock)
        too_many_calls = (TooManyCalls, "There were too many calls with this access")
        self._guest_calls = _Rate(bearers, "guest-call", limits.guest_calls, *too_many_calls)
        self._staff_calls = _Rate(bearers, "staff-call", limits.staff_calls, *too_many_calls)
        self._guest_changes = _Rate(
            bearers,
            "guest-change",
            limits.guest_changes,
            TooManyChanges,
            "There were too many orders, requests and cancellations from this table",
        )
        self._venue_calls = _Rate(
            venues,
            "venue-call",
            limits.venue_calls,
            TooManyVenueCalls,
            "There were too many calls from this venue",
        )
        self._venue_changes = _Rate(
            venues,
            "venue-change",
            limits.venue_changes,
            TooManyVenueChanges,
            "There were too many changes in this venue",
        )
        self._opens = _Rate(
            bearers,
            "open",
            limits.stream_opens,
            TooManyOpens,
            "Too many streams were opened with this access",
        )
        self._failures = _Rate(
            addresses,
            "failure",
            limits.failures,
            TooManyCalls,
            "There were too many calls without a good token from this address",
        )
        self._failed_joins = _Rate(
            addresses,
            "failed-join",
            limits.failed_joins,
            TooManyCalls,
            "There were too many wrong codes from this address",
        )

    def count_call(self, principal: Principal) -> None:
        """Count a call by ``principal``.

        Raises:
            TooManyCalls: the bearer has reached the limit of this minute.
        """
        rate = self._guest_calls if principal.role is Role.CUSTOMER else self._staff_calls
        rate.count(principal.key)

    def count_change(self, principal: Principal) -> None:
        """Count a call by ``principal`` that may change something. Staff have no limit here.

        Raises:
            TooManyChanges: the guests of the session have reached the limit of this minute.
        """
        if principal.role is Role.CUSTOMER:
            self._guest_changes.count(principal.key)

    def count_in_venue(self, venue_id: str, *, is_change: bool) -> None:
        """Count a call by a bearer of the venue; ``is_change``: it may change something.

        Raises:
            TooManyVenueCalls, TooManyVenueChanges: the bearers of the venue together have
                reached the limit of this minute.
        """
        self._venue_calls.count(venue_id)
        if is_change:
            self._venue_changes.count(venue_id)

    def count_open(self, principal: Principal) -> None:
        """Count a stream that ``principal`` opens.

        Raises:
            TooManyOpens: the bearer has reached the limit of this minute.
        """
        self._opens.count(principal.key)

    def count_failure(self, address: str) -> None:
        """Count a call from ``address`` without a good token.

        Raises:
            TooManyCalls: the address has reached the limit of this minute.
        """
        self._failures.count(network_of(address))

    def count_failed_join(self, address: str) -> None:
        """Count a wrong join code from ``address``.

        Raises:
            TooManyCalls: the address has reached the limit of this minute.
        """
        self._failed_joins.count(network_of(address))


class _Table:
    """The counts of one kind of key. Addresses and venues have tables of their own.

    Otherwise invented addresses would push out the counts of real bearers.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows = MinuteWindows(clock)
        self._limiter = FixedWindowRateLimiter(self._windows)

    def hit(self, item: RateLimitItemPerMinute, key: str) -> int:
        """Count ``key``. Return 0, or over the limit the seconds after which to try again."""
        if self._limiter.hit(item, key):
            return 0
        left = self._windows.get_expiry(item.key_for(key)) - self._clock()
        return max(1, math.ceil(left))


class _Rate:
    """One limit: ``amount`` per minute for each key of a table. 0 means no limit."""

    def __init__(
        self,
        table: _Table,
        kind: str,
        amount: int,
        error: type[TooManyCalls | TooManyOpens],
        message: str,
    ) -> None:
        self._table = table
        self._item = RateLimitItemPerMinute(amount, namespace=kind) if amount else None
        self._error = error
        self._message = message

    def count(self, key: str) -> None:
        """Count one call by ``key``, or raise the limit's error."""
        if self._item is None:
            return
        if wait_seconds := self._table.hit(self._item, key):
            message = f"{self._message} within a minute."
            raise self._error(message, retry_after_seconds=wait_seconds)


def network_of(address: str) -> str:
    """Return the key of an address. An IPv6 client has a whole /64, so that counts as one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return address
