"""The broker of a single process: history in memory, no server to install.

One process at a time owns the history. It restores what the process before it saved,
and saves it when it stops. From then on it publishes nothing, since the next process
gives out the ids that follow.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Self

from notifications.brokers.base import Broker, BrokerStatus, HistoryLimits, Page, Sink
from notifications.brokers.memory import history_file
from notifications.brokers.memory.history_file import SavedChannel, SavedHistory
from notifications.brokers.memory.seen_keys import SeenKeys
from notifications.channels import channel_kind
from notifications.errors import BrokerUnavailable, NotServing
from notifications.events.encoding import EventId, StoredEvent

log = logging.getLogger("notifications.broker")

#: Channels that are remembered although their history is empty and no stream follows
#: them, at half a kilobyte each: more than a deployment of one process seats in an hour.
#: Beyond it the oldest are forgotten, and a client that returns to one resyncs.
MAX_IDLE_CHANNELS = 20_000


class _Channel:
    """One channel's history. It has no deque while it is empty, as most are."""

    __slots__ = ("epoch", "history", "is_subscribed", "limits", "offset", "size_bytes", "used_at")

    def __init__(
        self, epoch: str, offset: int = 0, *, limits: HistoryLimits, used_at: float
    ) -> None:
        self.limits = limits
        self.epoch = epoch
        self.offset = offset
        self.used_at = used_at
        self.size_bytes = 0
        self.is_subscribed = False
        self.history: deque[tuple[float, StoredEvent]] | None = None

    @classmethod
    def restored(cls, saved: SavedChannel, limits: HistoryLimits, now: float) -> Self:
        channel = cls(saved.epoch, saved.offset, limits=limits, used_at=now)
        first_offset = saved.offset + 1 - len(saved.history)
        for offset, (moment, block) in enumerate(saved.history, first_offset):
            # The block ends with its id line and a blank line, which the event adds itself.
            event_body = block[: block.rindex("id: ")].encode()
            channel._keep(moment, StoredEvent(saved.epoch, offset, event_body))
        return channel

    @property
    def tip(self) -> EventId:
        return EventId(self.epoch, self.offset)

    @property
    def first_offset(self) -> int:
        """The offset of the oldest event kept; one past the newest where none is."""
        return self.offset + 1 - len(self.history or ())

    def append(self, now: float, event_body: bytes) -> StoredEvent:
        self.offset += 1
        self.used_at = now
        event = StoredEvent(self.epoch, self.offset, event_body)
        self._keep(now, event)
        return event

    def _keep(self, moment: float, event: StoredEvent) -> None:
        if self.history is None:
            self.history = deque()
        self.history.append((moment, event))
        self.size_bytes += len(event.chunk)

    def trim(self, now: float) -> None:
        history, limits = self.history, self.limits
        if history is None:
            return
        oldest_allowed = now - limits.max_age_seconds
        while history and (
            len(history) > limits.max_events
            or self.size_bytes > limits.max_bytes
            or history[0][0] < oldest_allowed
        ):
            self.size_bytes -= len(history.popleft()[1].chunk)
        if not history:
            self.history = None

    def after(self, offset: int, limit: int) -> Sequence[StoredEvent]:
        history = self.history or ()
        skipped = offset + 1 - self.first_offset
        return [event for _, event in islice(history, skipped, skipped + limit)]


class MemoryBroker(Broker):
    """Keeps each channel's history in this process and feeds its own sink.

    No method switches greenlets, so each call is atomic for its caller.

    ``history_path`` is where the history is kept between two processes; with None
    each process starts with an empty one. ``clock`` gives Unix seconds, ``new_epoch`` a
    short text that no earlier epoch had.
    """

    kind = "memory"
    is_shared = False

    def __init__(
        self,
        limits: HistoryLimits | None = None,
        *,
        history_path: Path | None = None,
        clock: Callable[[], float] = time.time,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(4),
    ) -> None:
        self._limits = limits or HistoryLimits()
        # One object for all channels of a kind.
        self._limits_by_kind: dict[str, HistoryLimits] = {}
        self._history_path = history_path
        self._clock = clock
        self._new_epoch = new_epoch
        self._channels: dict[str, _Channel] = {}
        self._seen = SeenKeys(self._limits.keep_seconds)
        self._sink: Sink | None = None
        # If processes hand the history over, it is ours once we have restored it.
        self._is_owner = history_path is None
        self._is_saved = False
        self._remembered: str | None = None

    def start(self, sink: Sink) -> None:
        """Begin to feed ``sink``."""
        self._sink = sink

    def stop(self) -> None:
        """Stop feeding; the history stays."""
        self._sink = None

    def require_listeners(self) -> None:
        """Make sure that this process has restored the history, so that it serves."""
        if not self._is_owner:
            raise NotServing

    def publish(self, channels: Sequence[str], event_body: bytes, *, key: str) -> None:
        """Append ``event_body`` to each channel that does not have ``key``.

        Raises:
            NotServing: this process has not restored the history.
            BrokerUnavailable: the history was saved for the next process.
        """
        self.require_listeners()
        if self._is_saved:
            raise BrokerUnavailable("the history has gone over to the next process")
        now = self._clock()
        for name in channels:
            if not self._seen.add(name, key, now):
                continue
            channel = self._channel(name)
            event = channel.append(now, event_body)
            channel.trim(now)
            if channel.is_subscribed:
                self._tell(name, event)

    def _tell(self, channel: str, event: StoredEvent) -> None:
        if self._sink is not None:
            try:
                self._sink.deliver(channel, event)
            except Exception:
                # The event is in the history; the other channels must still get it.
                log.exception(
                    "event could not be delivered",
                    extra={"fields": {"event": str(event.event_id), "channel": channel}},
                )

    def subscribe(self, channel: str) -> None:
        """Make everything published on ``channel`` from now on reach the sink."""
        self._channel(channel).is_subscribed = True

    def unsubscribe(self, channel: str) -> None:
        """Stop feeding ``channel`` to the sink; its history stays until it is too old."""
        if (known := self._channels.get(channel)) is not None:
            known.is_subscribed = False
            known.used_at = self._clock()

    def tip(self, channel: str) -> EventId:
        """Return the id of the newest event; offset 0 where there was none yet."""
        return self._channel(channel).tip

    def known_tip(self, channel: str) -> EventId | None:
        """Return the id of the newest event, None where the channel has no place yet."""
        known = self._channels.get(channel)
        if known is None:
            return None
        known.used_at = self._clock()  # the caller may return with this id
        return known.tip

    def read(self, channel: str, after: EventId, limit: int) -> Page:
        """Return up to ``limit`` events that followed ``after``, oldest first."""
        known = self._channels.get(channel)
        if known is None:
            return Page(is_gap=True)
        known.trim(self._clock())
        is_known_place = (
            after.epoch == known.epoch and known.first_offset - 1 <= after.offset <= known.offset
        )
        if not is_known_place:
            return Page(is_gap=True)
        return Page(known.after(after.offset, limit))

    def remembered(self) -> str | None:
        """Return the text that was remembered last, by this process or the one before it."""
        return self._remembered

    def remember(self, text: str, *, instead_of: str | None) -> None:
        """Remember ``text``; it is saved with the history."""
        if self._remembered == instead_of:
            self._remembered = text

    def begin_again(self, text: str, *, instead_of: str | None) -> None:
        """Forget every history, and tell the sink at once."""
        if self._remembered != instead_of:
            return
        self._remembered = text
        subscribed = [name for name, known in self._channels.items() if known.is_subscribed]
        self._channels = {}
        for name in subscribed:
            self.subscribe(name)
            if self._sink is not None:
                self._sink.resync(name, self.tip(name))

    def sweep(self) -> None:
        """Trim every history; forget empty channels that no stream follows, and old keys.

        A forgotten channel begins again under another epoch. An empty one is kept half as
        long again as its events were, so a client that left after the last event still
        finds its place known if it returns within the history's age.
        """
        now = self._clock()
        unused_since = now - 1.5 * self._limits.max_age_seconds
        self._seen.forget_old(now)
        idle = []
        for name, channel in list(self._channels.items()):
            channel.trim(now)
            if channel.history is None and not channel.is_subscribed:
                if channel.used_at > unused_since:
                    idle.append(name)
                else:
                    del self._channels[name]
        if (excess := len(idle) - MAX_IDLE_CHANNELS) > 0:
            idle.sort(key=lambda name: self._channels[name].used_at)
            for name in idle[:excess]:
                del self._channels[name]

    def status(self) -> BrokerStatus:
        """Return that it is up: there is no server that could be down."""
        return BrokerStatus(self.kind, is_up=True)

    def save(self) -> None:
        """Write the history to its file for the next process; publish nothing from now on."""
        self._is_saved = True
        if self._history_path is None:
            return
        channels = {
            name: SavedChannel(
                channel.epoch,
                channel.offset,
                [(moment, event.block.decode()) for moment, event in channel.history or ()],
            )
            for name, channel in self._channels.items()
        }
        history_file.write(
            self._history_path, SavedHistory(channels, self._seen.to_dict(), self._remembered)
        )

    def restore(self) -> None:
        """Continue with the history of the process before this one, if it left one.

        Nothing was published here before. The caller opens streams only afterwards: ids that
        were given out earlier belong to epochs that end here.
        """
        self._is_owner = True
        saved = None if self._history_path is None else history_file.take(self._history_path)
        if saved is None:
            return
        subscribed = [name for name, known in self._channels.items() if known.is_subscribed]
        # A key without its event would lose a change; an event without its key doubles it.
        self._seen = SeenKeys(self._limits.keep_seconds, saved.keys)
        self._remembered = saved.remembered
        self._channels = {
            name: _Channel.restored(old, self._limits_of(name), self._clock())
            for name, old in saved.channels.items()
        }
        for name in subscribed:
            self.subscribe(name)

    def _channel(self, name: str) -> _Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel(
                self._new_epoch(), limits=self._limits_of(name), used_at=self._clock()
            )
        return channel

    def _limits_of(self, channel: str) -> HistoryLimits:
        limits = self._limits_by_kind.get(kind := channel_kind(channel))
        if limits is None:
            limits = self._limits_by_kind[kind] = self._limits.of(channel)
        return limits
