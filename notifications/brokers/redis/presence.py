"""Presence through Redis: each process writes its own counts there and reads the others'."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable

import gevent

from notifications.background import Background
from notifications.brokers.presence import Counts, Presence, WaiterCounts
from notifications.errors import BrokerUnavailable
from notifications.redis.connection import TIMEOUT_SECONDS
from notifications.redis.keys import RedisKeys
from notifications.redis.link import RedisLink
from notifications.redis.script import Call, Script

log = logging.getLogger("notifications.redis")

#: Seconds between two reports of one process, and seconds for which a report holds: a
#: process that dies is counted that much longer.
INTERVAL_SECONDS = 1.0
REPORT_SECONDS = 5.0

#: Seconds for which what the others said is not asked again, however many want it.
CACHE_SECONDS = 1.0

#: Seconds between two reports of the waiters of a venue whose streams do not change, and
#: seconds for which such a report holds.
WAITERS_INTERVAL_SECONDS = 20.0
WAITERS_SECONDS = 60.0

#: Seconds within which workers that are told to stop together have all said so.
SETTLE_SECONDS = 0.2

REPORT = Script.load(__file__, "report")
WITHDRAW = Script.load(__file__, "withdraw")
REPORTS = Script.load(__file__, "reports")

#: What a process adds to its counts once it opens no more streams.
_ENDING = "ending"


class RedisPresence(Presence):
    """Reports this process's counts under ``keys``, and adds up everybody's."""

    def __init__(self, link: RedisLink, keys: RedisKeys) -> None:
        self._link = link
        self._keys = keys
        self._process = secrets.token_hex(6)
        self._counts: Callable[[], Counts] = dict
        self._waiters: WaiterCounts | None = None
        self._waiters_due_at = float("-inf")
        self._is_ending = False
        self._background = Background(self._run, stop_seconds=TIMEOUT_SECONDS)
        self._others: Counter[str] = Counter()
        self._asked_at = float("-inf")

    def start(self, counts: Callable[[], Counts], waiters: WaiterCounts | None = None) -> None:
        """Begin to report what ``counts`` returns, and the streams of waiters. Idempotent."""
        self._counts, self._waiters = counts, waiters
        self._background.start()

    def stop(self) -> None:
        """Withdraw the report, so that other processes stop counting this one. Idempotent."""
        if self._background.is_running:
            self._background.stop()
            venues = self._waiters.venues if self._waiters else ()
            reports = [self._keys.reports, *map(self._keys.waiter_streams, venues)]
            try:
                self._link.call(*(Call(WITHDRAW, [key], [self._process]) for key in reports))
            except BrokerUnavailable:
                log.debug("the reports could not be withdrawn; they expire")

    def total(self) -> Counts:
        """Return the sum over all living processes: one round trip a second at most."""
        if time.monotonic() - self._asked_at > CACHE_SECONDS:
            # Before asking: callers that come meanwhile take what is known.
            self._asked_at = time.monotonic()
            self._others = self._ask_for_others()
        total = Counter(self._counts())
        total.update(self._others)
        return total

    def waiter_streams(self, venue_id: str) -> Counts:
        """Return the sum of what this process counts and the others reported: one round trip."""
        total = Counter(self._waiters.of_venue(venue_id) if self._waiters else {})
        try:
            reports = self._reports(self._keys.waiter_streams(venue_id))
        except BrokerUnavailable:
            return total
        for report in reports:
            total.update(report)
        return total

    def announce_end(self) -> None:
        """Report soon that this process opens no more streams. Idempotent."""
        self._is_ending = True
        self._background.wake()

    def others_serve(self) -> bool:
        """Return whether another process serves that has not announced its end.

        Waits ``SETTLE_SECONDS`` first: all workers of a machine are told to stop together.
        """
        gevent.sleep(SETTLE_SECONDS)
        try:
            return any(_ENDING not in report for report in self._reports(self._keys.reports))
        except BrokerUnavailable:
            return False

    def _ask_for_others(self) -> Counter[str]:
        try:
            reports = self._reports(self._keys.reports)
        except BrokerUnavailable:
            return self._others
        total: Counter[str] = Counter()
        for report in reports:
            report.pop(_ENDING, None)
            total.update(report)
        return total

    def _reports(self, key: str) -> list[dict[str, int]]:
        """Return what the other living processes said under ``key``. Raises: BrokerUnavailable."""
        call = Call(REPORTS, [key], [self._process])
        (reports,) = self._link.call(call)
        return [json.loads(report) for report in reports]

    def _run(self) -> None:
        hold_ms = round(REPORT_SECONDS * 1000)
        goes_on = True
        while goes_on:
            counts = self._counts()
            said = json.dumps({**counts, _ENDING: 1} if self._is_ending else counts)
            try:
                self._link.call(Call(REPORT, [self._keys.reports], [self._process, said, hold_ms]))
                self._report_waiters()
            except BrokerUnavailable:
                log.debug("the streams of this process could not be reported")
                # All of them once Redis answers again.
                self._waiters_due_at = float("-inf")
            goes_on = self._background.wait(INTERVAL_SECONDS)

    def _report_waiters(self) -> None:
        """Report the venues in which waiters came or went, and now and then all venues."""
        if self._waiters is None:
            return
        venues = self._waiters.take_changed()
        if time.monotonic() >= self._waiters_due_at:
            self._waiters_due_at = time.monotonic() + WAITERS_INTERVAL_SECONDS
            venues.update(self._waiters.venues)
        hold_ms = round(WAITERS_SECONDS * 1000)
        calls = []
        for venue_id in venues:
            key = self._keys.waiter_streams(venue_id)
            if said := self._waiters.of_venue(venue_id):
                calls.append(Call(REPORT, [key], [self._process, json.dumps(said), hold_ms]))
            else:
                calls.append(Call(WITHDRAW, [key], [self._process]))
        if calls:
            self._link.call(*calls)
