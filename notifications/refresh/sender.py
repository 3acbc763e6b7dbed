"""Sends each batch when it is due, and again until it has arrived."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import gevent

from notifications.background import Background
from notifications.channels import venue_of
from notifications.errors import BrokerUnavailable
from notifications.refresh.batch import Batch
from notifications.refresh.batch_store import BatchStore
from notifications.refresh.trigger import Priority
from notifications.repeated_failure import RepeatedFailure
from waiter_service.pacing import PAUSE_SECONDS
from waiter_service.turns import Turns

logger = logging.getLogger("notifications.cache_refresh")

Publish = Callable[[str, Batch], object]
"""``publish(channel, batch)`` returns once the event is in the channel's history.

It must be idempotent by ``batch.id`` and raise if it failed: the batch is
sent again then, with the same id. It may switch greenlets.
"""

# How many batches one round leases. Between rounds the loop checks its sockets and timers.
MAX_BATCHES_PER_ROUND = 64

# Guesses: a broker that restarts is back in a second or two, and after a long outage
# a refresh should not wait much longer.
FIRST_RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 10.0
STORE_RETRY_SECONDS = 1.0

# Batches that come due within so short a time go out in one round. At 200 changes a second
# that is five batches for one lease, and it is short against a quiet time of 200 ms.
ROUND_SECONDS = 0.025

# A new batch wakes the greenlet, so this only limits the harm if a clock was set.
MAX_SLEEP_SECONDS = 60.0


def retry_delay_seconds(attempts: int) -> float:
    """Return how long to wait after ``attempts`` failures: 0.5, 1, 2, 4, 8, 10, 10 ... s."""
    return min(FIRST_RETRY_SECONDS * 2.0 ** min(attempts - 1, 16), MAX_RETRY_SECONDS)


class RefreshSender:
    """Takes batches out of a store and hands them to ``publish``.

    All methods but :meth:`expect` and :meth:`start` may switch greenlets, and raise
    ``BrokerUnavailable`` if the store cannot be reached.
    """

    def __init__(
        self, publish: Publish, batches: BatchStore, *, clock: Callable[[], float]
    ) -> None:
        self._publish = publish
        self._batches = batches
        self._clock = clock
        self._background = Background(self._run)
        # In the past while the greenlet is not asleep: it looks at what is expected
        # before it sleeps.
        self._asleep_until = -math.inf
        self._first_expected = math.inf
        # Those of which this process has added or leased a batch. A batch of another venue
        # is in the hands of the process that added it.
        self._venues: set[str] = set()
        self.sent: Counter[Priority] = Counter()
        self.failures = 0
        self._store_failure = RepeatedFailure(
            logger,
            begins="refreshes wait; their store cannot be reached",
            ends="the store of refreshes can be reached again",
            # The greenlet must survive whatever a store raises.
            outages=(Exception,),
        )
        # While the broker is away, one line is logged, not one per batch and attempt.
        self._is_broker_away = False

    def expect(self, due_at: float, channels: Iterable[str]) -> None:
        """Make sure that the greenlet does not sleep beyond ``due_at``, when these are due."""
        self._venues.update(map(venue_of, channels))
        self._first_expected = min(self._first_expected, due_at)
        if due_at < self._asleep_until:
            self._background.wake()

    def send_due(self, now: float) -> int:
        """Send what is due at ``now``; return how many events went out.

        Venues take turns. While many batches are sent, others become due and are sent as well.
        A batch that cannot be published is kept, and due again later.
        """
        sent = 0
        turns = Turns()
        is_more = True
        while is_more:
            now = max(now, self._clock())
            leased = self._batches.lease_due(now, MAX_BATCHES_PER_ROUND, turns.left_out)
            sent += self._send(leased, now)
            is_more = bool(leased or turns.left_out)
            self._venues.update(venues := [venue_of(batch.channel) for batch in leased])
            # With one venue there is no other whose batches could be leased instead.
            if len(self._venues) > 1:
                turns.taken(venues, MAX_BATCHES_PER_ROUND)
            if leased:
                gevent.sleep(PAUSE_SECONDS)
        return sent

    def send_channel(self, channel: str, now: float) -> int:
        """Send what waits for ``channel``, due or not; return how many events went out.

        A batch that another greenlet or worker is sending is left to it.
        """
        sent = 0
        while (batch := self._batches.lease_channel(channel, now)) and self._send([batch], now):
            sent += 1
        # A batch that was opened meanwhile, behind this one, may be due already.
        self._background.wake()
        return sent

    def send_all(self, *, timeout_seconds: float = math.inf) -> int:
        """Send what waits for anyone, due or not; return how many events went out."""
        give_up_at = self._clock() + timeout_seconds
        sent = 0
        for channel in self._batches.channels():
            now = self._clock()
            if now >= give_up_at:
                logger.error("gave up sending refreshes", extra=_fields(seconds=timeout_seconds))
                break
            sent += self.send_channel(channel, now)
        return sent

    def start(self) -> None:
        """Start the greenlet that sends what is due. Idempotent."""
        self._background.start()

    def stop(self) -> None:
        """End the greenlet after the round it is in, and wait for that up to 5 s.

        What is pending stays in the store. Idempotent.
        """
        self._background.stop()

    def _run(self) -> None:
        goes_on = True
        while goes_on:
            self._first_expected = math.inf
            wait_seconds = self._round()
            now = self._clock()
            wait_seconds = max(min(wait_seconds, self._first_expected - now), ROUND_SECONDS)
            self._asleep_until = now + wait_seconds
            goes_on = self._background.wait(wait_seconds)
            self._asleep_until = -math.inf

    def _round(self) -> float:
        """Send what is due and return how long to sleep."""
        wait_seconds = STORE_RETRY_SECONDS
        with self._store_failure.told():
            self.send_due(self._clock())
            wait_seconds = self._seconds_until(self._batches.next_due())
        return wait_seconds  # noqa: RET504 - told() swallows what the lines above raise

    def _seconds_until(self, next_due: float | None) -> float:
        waits = [MAX_SLEEP_SECONDS]
        if next_due is not None:
            waits.append(max(next_due - self._clock(), 0.0))
        if self._batches.poll_seconds is not None:
            waits.append(self._batches.poll_seconds)
        return min(waits)

    def _send(self, batches: Sequence[Batch], now: float) -> int:
        """Publish ``batches``; return how many arrived."""
        arrived = [batch for batch in batches if self._is_published(batch, now)]
        if arrived:
            # Together: in a shared store each call is a round trip, as publishing is.
            self._batches.done(*arrived)
        for batch in arrived:
            self.sent[batch.priority] += 1
            logger.info(
                "refresh sent",
                extra=_fields(
                    channel=batch.channel,
                    affected_data=",".join(batch.affected_data),
                    triggers=batch.triggers,
                    waited_ms=round((now - batch.first_at) * 1000),
                ),
            )
        return len(arrived)

    def _is_published(self, batch: Batch, now: float) -> bool:
        """Publish ``batch`` and return whether it arrived; if not, postpone it."""
        try:
            self._publish(batch.channel, batch)
        except Exception as error:
            self.failures += 1
            delay_seconds = retry_delay_seconds(batch.attempts)
            is_outage = isinstance(error, BrokerUnavailable)
            if not (is_outage and self._is_broker_away):
                logger.warning(
                    "refresh failed, kept for another attempt",
                    exc_info=batch.attempts == 1 and not is_outage,
                    extra=_fields(
                        channel=batch.channel,
                        batch=batch.id,
                        attempt=batch.attempts,
                        retry_seconds=delay_seconds,
                        error=str(error),
                    ),
                )
            self._is_broker_away = is_outage
            self._batches.postpone(batch, now + delay_seconds)
            return False
        self._is_broker_away = False
        return True


def _fields(**fields: object) -> dict[str, object]:
    """Return the ``extra`` of a log line, whose message stays constant."""
    return {"fields": fields}
