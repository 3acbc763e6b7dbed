"""How many streams the whole deployment has: each process tells Redis its own."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import gevent
from gevent.event import Event

from notifications.errors import BrokerUnavailable
from notifications.redis import scripts
from notifications.redis.keys import RedisKeys
from notifications.redis.link import Call, RedisLink

log = logging.getLogger("notifications.redis")

#: Seconds a report holds. It is renewed about every second; a process that
#: dies is forgotten this much later.
REPORT_SECONDS = 5.0

#: Seconds for which what the others said is not asked again, however many want it.
CACHE_SECONDS = 1.0

#: Seconds within which workers that are told to stop together have all said so.
SETTLE_SECONDS = 0.2

#: What a process adds to its counts once it takes no streams any more.
_ENDING = "ending"


class RedisPresence:
    """Reports this process's streams, and sums everybody's."""

    def __init__(self, link: RedisLink, keys: RedisKeys, *, process: str) -> None:
        self._link = link
        self._keys = keys
        self._process = process
        self._own: Mapping[str, int] = {}
        self._is_ending = False
        self._has_news = Event()
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self._others: Counter[str] = Counter()
        self._asked_at = float("-inf")

    def start(self) -> None:
        """Begin to send what is reported. Idempotent."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Take the report back, so that nobody counts us any longer. Idempotent."""
        if self._greenlet is not None:
            greenlet, self._greenlet = self._greenlet, None
            greenlet.kill()
            try:
                self._link.call(Call(scripts.WITHDRAW, [self._keys.reports], [self._process]))
            except BrokerUnavailable:
                log.debug("the report could not be taken back; it expires")

    def report(self, counts: Mapping[str, int]) -> None:
        """Have ``counts`` sent soon. Never switches greenlets."""
        self._own = dict(counts)
        self._has_news.set()

    def announce_end(self) -> None:
        """Have it said soon that this process takes no streams any more. Idempotent."""
        self._is_ending = True
        self._has_news.set()

    def others_serve(self) -> bool:
        """Return whether others live that have not announced their end; False if unknown.

        Switches greenlets. What others announced within ``SETTLE_SECONDS`` is heard, since
        a whole machine's workers are told to stop together.
        """
        gevent.sleep(SETTLE_SECONDS)
        try:
            return any(_ENDING not in report for report in self._reports())
        except BrokerUnavailable:
            return False

    def total(self) -> Mapping[str, int]:
        """Return the sum over all living processes: ours as of now, the others' as last known.

        Switches greenlets, for one round trip a second at most.
        """
        if time.monotonic() - self._asked_at > CACHE_SECONDS:
            # Before asking: whoever comes meanwhile takes what is known.
            self._asked_at = time.monotonic()
            self._others = self._ask_for_others()
        total = Counter(self._own)
        total.update(self._others)
        return total

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
        call = Call(scripts.REPORTS, [self._keys.reports], [self._process])
        (reports,) = self._link.call(call)
        return [json.loads(report) for report in reports]

    def _run(self) -> None:
        while True:
            self._has_news.wait()
            self._has_news.clear()
            said = json.dumps({**self._own, _ENDING: 1} if self._is_ending else self._own)
            hold_ms = round(REPORT_SECONDS * 1000)
            try:
                self._link.call(
                    Call(scripts.REPORT, [self._keys.reports], [self._process, said, hold_ms])
                )
            except BrokerUnavailable:
                log.debug("the streams of this process could not be reported")
