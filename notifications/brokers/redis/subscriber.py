"""Keeps this process subscribed, and notices when it no longer is.

One connection hears all channels that streams of this process follow. It is replaced
whenever it fails, or when a probe is not heard. Every channel is then caught up from its
history, and the streams notice nothing.

One greenlet makes the connections and reads. While there is a connection, a second writes
subscriptions, a third probes and a fourth waits for another generation. These end with
the connection.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event

from notifications.brokers.redis.feed import CHANNELS_PER_TRIP, Followed, RedisFeed
from notifications.brokers.redis.history import RedisHistory
from notifications.brokers.redis.probe import RedisProbe
from notifications.brokers.redis.pubsub import Confirmation, Message, RedisPubSub
from notifications.errors import BrokerUnavailable
from notifications.redis.backoff import Backoff
from notifications.redis.connection import CONNECTION_FAILURES, RedisConnection
from notifications.redis.keys import RedisKeys
from notifications.redis.link import RedisLink
from waiter_service.pacing import PAUSE_SECONDS

log = logging.getLogger("notifications.redis")

#: Seconds a stream that opens waits for Redis to confirm its subscription.
SUBSCRIBE_SECONDS = 2.0

#: Seconds that a connection must last for the next to be made at once.
STEADY_SECONDS = 5.0

#: Messages read at once before the loop checks its other sockets and its timers. A guess:
#: 5 ms.
READ_SLICE = 256


class _Waiters:
    """The greenlets that wait for one channel to be confirmed."""

    __slots__ = ("confirmed", "count")

    def __init__(self) -> None:
        self.confirmed = Event()
        self.count = 0


class RedisSubscriber:
    """Subscribes to channels, and gives the feed what comes in on them."""

    def __init__(
        self,
        new_connection: Callable[[], RedisConnection],
        link: RedisLink,
        history: RedisHistory,
        keys: RedisKeys,
        feed: RedisFeed,
        *,
        process: str,
    ) -> None:
        self._new_connection = new_connection
        self._link = link
        self._history = history
        self._keys = keys
        self._feed = feed
        self._probe = RedisProbe(link, history, feed, inbox=keys.inbox(process))
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self._connection = new_connection()
        self._line: RedisPubSub | None = None
        self._waiters: dict[str, _Waiters] = {}
        #: What is wrong, in a sentence; None while everything followed is heard.
        self.trouble: str | None = "not subscribed in Redis yet"

    # -- what the broker asks for -------------------------------------------------

    def start(self) -> None:
        """Begin to listen. Idempotent."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Stop listening. Idempotent."""
        if self._greenlet is not None:
            greenlet, self._greenlet = self._greenlet, None
            self._connection.kill(greenlet)
            self.trouble = "the subscription in Redis was ended"

    def subscribe(self, channel: str) -> None:
        """Return once everything published on ``channel`` will be heard. Switches greenlets.

        Raises:
            BrokerUnavailable: Redis did not confirm it in time.
        """
        followed = self._feed.follow(channel)
        if followed.is_live and followed.has_place:
            return
        waiters = self._waiters.setdefault(channel, _Waiters())
        waiters.count += 1
        try:
            self._ask_for(channel, followed)
            # Meanwhile, and in the same turn: the place after which the sink goes on.
            (tip,) = self._history.tips([channel])
            if not followed.has_place:
                followed.move_to(tip)
            if not waiters.confirmed.wait(SUBSCRIBE_SECONDS):
                raise BrokerUnavailable(
                    f"Redis did not confirm a subscription within {SUBSCRIBE_SECONDS:g} s"
                )
        finally:
            waiters.count -= 1
            if waiters.count == 0 and self._waiters.get(channel) is waiters:
                del self._waiters[channel]
                # A channel that was live before still has streams that follow it.
                if not followed.has_been_live:
                    self.unsubscribe(channel)

    def unsubscribe(self, channel: str) -> None:
        """Forget ``channel``. Never switches."""
        self._feed.forget(channel)
        if self._line is not None:
            self._line.want(self._keys.live(channel), is_wanted=False)

    def _ask_for(self, channel: str, followed: Followed) -> None:
        if self._line is not None:
            name = self._keys.live(channel)
            self._line.want(name)
            # It was forgotten a moment ago, and Redis has not been told yet.
            if not followed.has_been_live and self._line.is_confirmed(name):
                self._confirm(channel)

    def _confirm(self, *channels: str) -> None:
        self._feed.confirm(channels)
        for channel in channels:
            if (waiters := self._waiters.get(channel)) is not None:
                waiters.confirmed.set()

    # -- the greenlet that keeps the connection -----------------------------------

    def _run(self) -> None:
        backoff = Backoff()
        while True:
            # The link finds out when Redis is back; we need not try as well.
            self._link.wait_until_up()
            backoff.pause()
            started = time.monotonic()
            self._connection = self._new_connection()
            helpers: list[gevent.Greenlet[..., Any]] = []
            try:
                self._connection.open()
                self._line = line = RedisPubSub(self._connection)
                helpers = [
                    gevent.spawn(each, line)
                    for each in (self._write, self._watch, self._await_generation)
                ]
                self._listen(line)
            except (*CONNECTION_FAILURES, BrokerUnavailable) as error:
                if self.trouble is None:
                    log.warning(
                        "the subscription in Redis was lost",
                        extra={"fields": {"error": str(error)}},
                    )
                self.trouble = f"the subscription in Redis was lost: {error}"
            except Exception as error:
                # A bug of ours must not leave the streams without events.
                log.exception("the subscription in Redis failed")
                self.trouble = f"the subscription in Redis failed: {error!r}"
            finally:
                self._line = None
                self._connection.close()
                gevent.killall(helpers)
                self._feed.lose()
            if time.monotonic() - started > STEADY_SECONDS:
                backoff.reset()

    def _listen(self, line: RedisPubSub) -> None:
        for channel in self._feed.channels():
            line.want(self._keys.live(channel))
        # The inbox is last: once it is confirmed, all the others are.
        line.want(self._probe.inbox)
        while True:
            message = line.receive()
            # If another deployment has taken our prefix, what comes may be its events.
            self._link.require_no_conflict()
            match message:
                case Message(name, data):
                    self._take(name, data)
                case Confirmation(name) if name == self._probe.inbox:
                    self._catch_up(line)
                case Confirmation(name):
                    self._take_confirmation(name)
            if line.received % READ_SLICE == 0:
                gevent.sleep(PAUSE_SECONDS)

    def _take_confirmation(self, name: str) -> None:
        channel = self._keys.channel(name)
        followed = self._feed.get(channel) if channel else None
        # A channel that was live before is confirmed once it is caught up.
        if channel and followed is not None and not followed.has_been_live:
            self._confirm(channel)

    def _catch_up(self, line: RedisPubSub) -> None:
        """Read what was published while we did not listen: for most channels, nothing."""
        interrupted = self._feed.interrupted()
        for start in range(0, len(interrupted), CHANNELS_PER_TRIP):
            channels = interrupted[start : start + CHANNELS_PER_TRIP]
            tips = self._history.tips(channels)
            self._feed.catch_up(self._feed.behind(dict(zip(channels, tips, strict=True))))
            # But not one that was forgotten meanwhile and is asked for again.
            self._confirm(*(c for c in channels if line.is_confirmed(self._keys.live(c))))
        if self.trouble is not None:
            log.info("subscribed in Redis", extra={"fields": {"caught_up": len(interrupted)}})
        self.trouble = None

    def _take(self, name: str, data: bytes) -> None:
        if (channel := self._keys.channel(name)) is not None:
            head, _, event_body = data.partition(b"\n")
            epoch, _, offset = head.decode().rpartition("-")
            self._feed.hear(channel, epoch, int(offset), event_body)
        else:
            self._probe.hear(data)

    # -- what runs beside it while there is a connection --------------------------

    def _write(self, line: RedisPubSub) -> None:
        try:
            line.write_forever()
        except CONNECTION_FAILURES as error:
            log.debug("subscriptions could not be written", extra={"fields": {"error": str(error)}})
        finally:
            line.close()

    def _await_generation(self, line: RedisPubSub) -> None:
        try:
            self._link.generation.wait_for_another()
            # The new one may be that of another server, to which this connection does not lead.
            self.trouble = "the histories in Redis have ended"
            log.info("the histories in Redis have ended; all streams load everything again")
        finally:
            line.close()

    def _watch(self, line: RedisPubSub) -> None:
        try:
            self._probe.watch(line)
            log.warning("the subscription in Redis is deaf; it is rebuilt")
        finally:
            # However the watch ends: a connection that is not probed must not be kept.
            line.close()
