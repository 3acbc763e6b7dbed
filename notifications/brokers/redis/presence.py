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
from notifications.brokers.presence import Counts, Presence
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
        self._is_ending = False
        self._background = Background(self._run, stop_seconds=TIMEOUT_SECONDS)
        self._others: Counter[str] = Counter()
        self._asked_at = float("-inf")

    def start(self, counts: Callable[[], Counts]) -> None:
        """Begin to report what ``counts`` returns. Idempotent."""
        self._counts = counts
        self._background.start()

    def stop(self) -> None:
        """Withdraw the report, so that other processes stop counting this one. Idempotent."""
        if self._background.is_running:
            self._background.stop()
            try:
                self._link.call(Call(WITHDRAW, [self._keys.reports], [self._process]))
            except BrokerUnavailable:
                log.debug("the report could not be withdrawn; it expires")

    def total(self) -> Counts:
        """Return the sum over all living processes: one round trip a second at most."""
        if time.monotonic() - self._asked_at > CACHE_SECONDS:
            # Before asking: callers that come meanwhile take what is known.
            self._asked_at = time.monotonic()
            self._others = self._ask_for_others()
        total = Counter(self._counts())
        total.update(self._others)
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
            return any(_ENDING not in report for report in self._reports())
        except BrokerUnavailable:
            return False

    def _ask_for_others(self) -> Counter[str]:
        try:
            reports = self._reports()
        except BrokerUnavailable:
            return self._others
        total: Counter[str] = Counter()
        for report in reports:
            report.pop(_ENDING, None)
            total.update(report)
        return total

    def _reports(self) -> list[dict[str, int]]:
        """Return what the other living processes said. Raises: BrokerUnavailable."""
        call = Call(REPORTS, [self._keys.reports], [self._process])
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
            except BrokerUnavailable:
                log.debug("the streams of this process could not be reported")
            goes_on = self._background.wait(INTERVAL_SECONDS)
