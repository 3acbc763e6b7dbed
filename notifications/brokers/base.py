"""The contract every broker keeps: history, order, and who hears what.

A *channel* is one audience (:mod:`notifications.channels`). Publishing
appends an event to the history of each channel named and hands it to the
process's :class:`Sink`, for every channel this process has subscribed to.

A broker promises:

- The events of a channel have one order, that of their offsets, which rise by one. The
  sink hears them in that order, without gap and without repetition.
- A ``key`` enters a channel's history at most once within ``keep_seconds``, whichever
  process publishes it and however often. A store that holds too many keys may forget those
  that are older than ``KEY_SECONDS``.
- ``subscribe`` returns once everything published from then on will reach the sink. A
  caller that reads the history *after* subscribing therefore finds each event in what it
  reads, in what the sink hears, or in both; never in neither.
- When the history is lost (another epoch begins), the sink is told by ``resync``.

It does not promise that the history is longer than its limits, or that it outlives the
store behind it. A place that was lost shows in :attr:`Page.is_gap`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from notifications.channels import OF_A_VENUE, channel_kind
from notifications.events.encoding import EventId, StoredEvent

#: Seconds that a key is remembered at least, however short the history is: if a process
#: dies while it publishes a change, another one publishes it again within seconds.
MIN_KEEP_SECONDS = 120.0


#: Seconds that a key is remembered however many others come: twice the longest pause after
#: which a change is announced again (waiter_service/outbox/standstill.py). The claim of a process
#: that died is taken over after 2 s, its lease of a refresh after 10 s.
KEY_SECONDS = 60.0

#: How many times as much is kept for a venue's floor and kitchen as for one table or waiter: on a
#: busy evening they hear of each table. A guess.
VENUE_FACTOR = 10


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """How much of each channel is kept; whatever exceeds a limit is trimmed.

    ``max_events`` counts events, ``max_age_seconds`` is since publication,
    ``max_bytes`` sums the blocks. A venue's floor and kitchen keep ``VENUE_FACTOR`` times as
    many events and bytes.
    """

    max_events: int = 1000
    max_age_seconds: float = 3600.0
    max_bytes: int = 1 << 20

    def of(self, channel: str) -> HistoryLimits:
        """Return the limits of ``channel``."""
        if channel_kind(channel) not in OF_A_VENUE:
            return self
        return replace(
            self,
            max_events=VENUE_FACTOR * self.max_events,
            max_bytes=VENUE_FACTOR * self.max_bytes,
        )

    @property
    def keep_seconds(self) -> float:
        """How long a key is remembered, and in Redis an epoch too."""
        return max(self.max_age_seconds, MIN_KEEP_SECONDS)


@dataclass(frozen=True, slots=True)
class Page:
    """A run of history: ``events`` in order, at most as many as asked for.

    ``is_gap`` says that the place asked for is unknown or was trimmed; then
    ``events`` is empty. An empty page without gap means: nothing newer.
    """

    events: Sequence[StoredEvent] = ()
    is_gap: bool = False


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """``kind`` as in /sse/health; if ``is_up`` is false, ``detail`` says why."""

    kind: str
    is_up: bool
    detail: str | None = None


class Sink(Protocol):
    """What a broker feeds: the process's streams. Never switches greenlets."""

    def deliver(self, channel: str, event: StoredEvent) -> None:
        """Take one event of a subscribed channel."""

    def resync(self, channel: str, tip: EventId) -> None:
        """The history of ``channel`` was lost; it goes on after ``tip``."""


class Broker(ABC):
    """Where events wait and travel. One per process."""

    kind: str
    #: Whether several processes use its histories at a time. If not, one process at a
    #: time does, from ``restore`` to ``save``.
    is_shared: bool

    def restore(self) -> None:
        """Continue with the histories that the process before this one saved, if it did.

        Called once, before anything is published.
        """
        return

    def save(self) -> None:
        """Leave the histories to the next process; nothing can be published from now on."""
        return

    @property
    def is_away(self) -> bool:
        """Whether publishing would fail at once, as far as is known."""
        return False

    def require_listeners(self) -> None:
        """Make sure that what is published in this process can reach a stream.

        Raises:
            NotServing: it cannot, here or in any other process.
        """
        return

    @property
    def evicted_keys(self) -> int:
        """How many keys the store behind it has thrown away to save memory."""
        return 0

    def check(self) -> None:
        """Make sure that this process may start with it.

        Raises:
            BrokerUnusable: it may not, and waiting does not help.
        """
        return

    @abstractmethod
    def start(self, sink: Sink) -> None:
        """Begin to feed ``sink``. Idempotent."""

    @abstractmethod
    def stop(self) -> None:
        """Stop feeding and close every connection. Idempotent."""

    @abstractmethod
    def publish(self, channels: Sequence[str], event_body: bytes, *, key: str) -> None:
        """Append ``event_body`` to each channel, unless ``key`` is already there.

        All of them get it, or none does. The channels are those of one venue.

        ``event_body`` is what :func:`notifications.events.body` returns; the
        caller has validated it. ``key`` is at most 80 characters.

        Raises:
            BrokerUnavailable: it may or may not be there. Publish again with the
                same key: channels that have the event do not get it twice.
        """

    @abstractmethod
    def subscribe(self, channel: str) -> None:
        """Make everything published on ``channel`` from now on reach the sink.

        Raises:
            BrokerUnavailable: nothing was subscribed.
        """

    @abstractmethod
    def unsubscribe(self, channel: str) -> None:
        """Stop feeding ``channel`` to the sink; does nothing if it is not subscribed."""

    @abstractmethod
    def tip(self, channel: str) -> EventId:
        """Return the id of the newest event; offset 0 where there was none yet.

        Raises:
            BrokerUnavailable: it is not known.
        """

    @abstractmethod
    def known_tip(self, channel: str) -> EventId | None:
        """Return the id of the newest event, None where the channel has no place yet.

        Unlike ``tip`` it gives a channel no place, so ids may be asked for that do not exist.

        Raises:
            BrokerUnavailable: it is not known.
        """

    @abstractmethod
    def read(self, channel: str, after: EventId, limit: int) -> Page:
        """Return up to ``limit`` events that followed ``after``, oldest first.

        Raises:
            BrokerUnavailable: the history cannot be read now.
        """

    @abstractmethod
    def remembered(self) -> str | None:
        """Return the text that is remembered with the histories.

        None if there is none, or it was lost together with the histories.

        Raises:
            BrokerUnavailable: it is not known.
        """

    @abstractmethod
    def remember(self, text: str, *, instead_of: str | None) -> None:
        """Remember ``text`` with the histories, if ``instead_of`` is what is remembered now.

        Raises:
            BrokerUnavailable: it may not be remembered.
        """

    @abstractmethod
    def begin_again(self, text: str, *, instead_of: str | None) -> None:
        """End all histories and remember ``text``, if ``instead_of`` is what is remembered now.

        If it is not, another process has ended them already. All sinks are told to resync,
        soon and once.

        Raises:
            BrokerUnavailable: it may not have happened; try again.
        """

    @abstractmethod
    def sweep(self) -> None:
        """Drop what exceeds its limits. Called about every second."""

    @abstractmethod
    def status(self) -> BrokerStatus:
        """Return whether the broker works, without waiting long for the answer."""
