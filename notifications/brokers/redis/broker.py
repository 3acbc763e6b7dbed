"""The broker of a deployment of several processes: history and fan-out through one Redis.

::

    publish, tip, read ---> RedisHistory ---> RedisLink =====> Redis
                                 |                               "
                                 v                               "
    sink <------------------- RedisFeed <--- RedisSubscriber <===="
                                                   ^
    subscribe, unsubscribe ------------------------+

The link is one connection for commands, the subscriber one for what is published
(double lines). Both reconnect by themselves, and a process needs no others.

Needs Redis 6.2 or newer, one server (with replicas or without), with the eviction policy
``noeviction``: a history that is evicted costs its streams a resync, and idempotency keys
that are evicted let an event in twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress

from notifications.brokers.base import Broker, BrokerStatus, HistoryLimits, Page, Sink
from notifications.brokers.redis.feed import RedisFeed
from notifications.brokers.redis.history import Reading, RedisHistory
from notifications.brokers.redis.subscriber import RedisSubscriber
from notifications.errors import BrokerUnavailable, BrokerUnusable, PrefixTaken
from notifications.events.encoding import EventId
from notifications.redis.connection import RedisConnector
from notifications.redis.keys import RedisKeys
from notifications.redis.link import RedisLink
from notifications.redis.mark import RedisMark


class RedisBroker(Broker):
    """Shares each channel's history among all processes with the same ``url`` and ``prefix``.

    Nothing connects before ``start`` or the first call. A call waits a second at most to
    learn that Redis is away; from then on calls fail at once until it is back. All callers
    are greenlets of one thread, as they are under gunicorn's gevent worker.

    ``deployment`` is the same in every process of a deployment. While processes with
    another one use the same ``prefix``, Redis counts as away; with None this is not checked.
    """

    kind = "redis"
    is_shared = True

    def __init__(
        self,
        url: str,
        limits: HistoryLimits | None = None,
        *,
        prefix: str = "restaurant:",
        deployment: str | None = None,
    ) -> None:
        limits = limits or HistoryLimits()
        keys = RedisKeys(prefix)
        mark = deployment and RedisMark(
            keys, deployment=deployment, keep_seconds=limits.keep_seconds
        )
        self.keys = keys
        self._link = RedisLink(RedisConnector(url, "notifications-link"), keys, mark=mark or None)
        self._history = RedisHistory(self._link, keys, limits)
        self._feed = RedisFeed(self._history)
        self._subscriber = RedisSubscriber(
            RedisConnector(url, "notifications-subscriber"),
            self._link,
            self._history,
            keys,
            self._feed,
            process=secrets.token_hex(6),
        )

    @property
    def link(self) -> RedisLink:
        """The connection for commands, for others who run scripts in the same Redis."""
        return self._link

    @property
    def is_away(self) -> bool:
        """Whether Redis is away: calls fail at once until it is back."""
        return self._link.is_away

    @property
    def evicted_keys(self) -> int:
        """How many keys Redis has evicted since it started, ours and others'."""
        return self._link.evicted_keys

    def check(self) -> None:
        """Make sure that Redis, if it answers, can be used, and that our prefix is ours alone.

        Switches greenlets, for a second or two at most.

        Raises:
            PrefixTaken: another deployment uses our prefix.
            BrokerUnusable: it does not say which server it is.
        """
        # Whatever the answer is: it comes once the link has connected, or has failed to.
        with suppress(BrokerUnavailable):
            self._history.remembered()
        if self._link.conflict is not None:
            conflict = self._link.conflict
            self._link.stop()
            raise PrefixTaken(conflict)
        if self._link.is_unidentified:
            trouble = self._link.trouble
            self._link.stop()
            raise BrokerUnusable(trouble)

    def start(self, sink: Sink) -> None:
        """Begin to feed ``sink``; never waits. ``status`` says whether Redis has answered."""
        self._feed.sink = sink
        self._link.start()
        self._subscriber.start()

    def stop(self) -> None:
        """Stop feeding and close both connections. Switches greenlets."""
        self._feed.sink = None
        self._subscriber.stop()
        self._link.stop()

    def publish(self, channels: Sequence[str], event_body: bytes, *, key: str) -> None:
        """Append ``event_body`` to each channel that does not have ``key``: one step of Redis."""
        self._history.publish(channels, event_body, key)

    def subscribe(self, channel: str) -> None:
        """Return once Redis has confirmed that we hear ``channel``; at once if it has before."""
        self._subscriber.subscribe(channel)

    def unsubscribe(self, channel: str) -> None:
        """Stop feeding ``channel`` to the sink. Never switches greenlets."""
        self._subscriber.unsubscribe(channel)

    def known_tip(self, channel: str) -> EventId | None:
        """Return the id of the newest event, None where the channel has no place yet."""
        return self._history.known_tip(channel)

    def tip(self, channel: str) -> EventId:
        """Return the id of the newest event; offset 0 where there was none yet."""
        (tip,) = self._history.tips([channel])
        self._feed.observe(channel, Reading(Page(), tip))
        return tip

    def read(self, channel: str, after: EventId, limit: int) -> Page:
        """Return up to ``limit`` events that followed ``after``, oldest first.

        If ``channel`` is subscribed, the sink has been told of what it returns.
        """
        (reading,) = self._history.read([(channel, after)], limit)
        self._feed.observe(channel, reading)
        return reading.page

    def remembered(self) -> str | None:
        """Return what is remembered with the histories in Redis: one round trip."""
        return self._history.remembered()

    def remember(self, text: str, *, instead_of: str | None) -> None:
        """Remember ``text``: one round trip."""
        self._history.remember(text, instead_of=instead_of, ends_histories=False)

    def begin_again(self, text: str, *, instead_of: str | None) -> None:
        """End all histories by a new generation; each process learns of it by itself."""
        self._history.remember(text, instead_of=instead_of, ends_histories=True)

    def sweep(self) -> None:
        """Do nothing: Redis trims as it appends and reads, and lets keys expire."""

    def status(self) -> BrokerStatus:
        """Return whether commands are answered and subscriptions heard, as far as is known."""
        trouble = self._link.trouble or self._subscriber.trouble
        return BrokerStatus(self.kind, is_up=trouble is None, detail=trouble)
