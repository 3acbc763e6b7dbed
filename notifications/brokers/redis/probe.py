"""Messages to ourselves through Redis: they tell whether our subscription is alive."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping

import gevent
from gevent.event import Event

from notifications.brokers.redis.feed import RedisFeed
from notifications.brokers.redis.history import RedisHistory
from notifications.brokers.redis.pubsub import RedisPubSub
from notifications.errors import BrokerUnavailable
from notifications.events.encoding import EventId
from notifications.redis.link import RedisLink
from notifications.redis.script import Call, Script

#: Seconds between two probes. Each has three seconds to be heard: with the time to
#: reconnect, a deaf subscription is replaced well within ten. The three seconds are
#: counted in steps, since in a process that was held up a single timer would expire
#: before anything is read.
PROBE_SECONDS = 2.0
HEARING_STEPS = 12
STEP_SECONDS = 0.25

#: Seconds in which every followed channel's history is looked at once, to keep its
#: epoch alive and to find what no probe finds: one channel that has gone silent.
ROUND_SECONDS = 300.0

ANNOUNCE = Script.load(__file__, "announce")


class _Message:
    """One probe, and the newest ids known before it was sent."""

    def __init__(self, tips: Mapping[str, EventId]) -> None:
        self.nonce = secrets.token_bytes(8)
        self.tips = tips
        self.heard = Event()


class RedisProbe:
    """Sends a message to ``inbox`` and waits for it to come back.

    Redis sends to a connection in order. So if the sink does not know one of the newest
    ids when the probe is heard, that event will not come, and the feed catches up.
    """

    def __init__(
        self, link: RedisLink, history: RedisHistory, feed: RedisFeed, *, inbox: str
    ) -> None:
        self.inbox = inbox
        self._link = link
        self._history = history
        self._feed = feed
        self._round_seconds = min(ROUND_SECONDS, history.keep_seconds / 3)
        self._message: _Message | None = None

    def watch(self, line: RedisPubSub) -> None:
        """Return once ``line`` is proven deaf."""
        is_hearing = self._is_confirmed_on(line)
        while is_hearing:
            gevent.sleep(PROBE_SECONDS)
            is_hearing = self._is_heard_by(line)

    def hear(self, nonce: bytes) -> None:
        """Take what came to the inbox.

        Raises:
            BrokerUnavailable: what was found missing cannot be read.
        """
        message = self._message
        if message is not None and nonce == message.nonce:
            message.heard.set()
            self._feed.catch_up(self._feed.behind(message.tips))

    def _is_confirmed_on(self, line: RedisPubSub) -> bool:
        """Wait for Redis to confirm the inbox; return False once it says nothing at all."""
        silent_steps = received = 0
        while not line.is_confirmed(self.inbox):
            gevent.sleep(STEP_SECONDS)
            is_silent = line.is_waiting and line.received == received
            silent_steps = silent_steps + 1 if is_silent else 0
            if silent_steps == HEARING_STEPS:
                return False
            received = line.received
        return True

    def _is_heard_by(self, line: RedisPubSub) -> bool:
        channels = self._feed.next_turn(
            math.ceil(len(self._feed) * PROBE_SECONDS / self._round_seconds)
        )
        try:
            tips = self._history.tips(channels)
            self._message = message = _Message(dict(zip(channels, tips, strict=True)))
            self._link.call(Call(ANNOUNCE, (), [self.inbox, message.nonce]))
        except BrokerUnavailable:
            # This says nothing about the subscription.
            return True
        silent_steps = 0
        while silent_steps < HEARING_STEPS:
            if message.heard.wait(STEP_SECONDS):
                return True
            # A subscriber that is busy catching up is not deaf.
            silent_steps += line.is_waiting
        return False
