"""All open streams of this process: open, beat, expire, drain, count."""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import gevent

from notifications.brokers.base import Broker
from notifications.channels import channel_name
from notifications.errors import (
    BrokerUnavailable,
    HistoryUnavailable,
    ServerDraining,
)
from notifications.events.encoding import EventId, StoredEvent
from notifications.principal import Principal
from notifications.streams.admission import RETRY_AFTER_SECONDS, Admission, StreamLimits
from notifications.streams.body import Handover, StreamBody, begin, farewell, resync_event
from notifications.streams.delivery import Delivery
from notifications.streams.registry import StreamRegistry
from notifications.streams.rounds import TICK_SECONDS, Pulse
from notifications.streams.stats import StreamStats
from notifications.streams.stream import CloseReason, Stream
from notifications.streams.turns import Turns

log = logging.getLogger("notifications.streams")

#: A token without end still ends its stream: twelve hours, longer than a shift.
MAX_STREAM_SECONDS = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How streams behave. Units are in the names.

    ``max_pending_events`` is what may wait for one client that does not read,
    ``write_deadline_seconds`` how long it may take nothing at all.
    """

    heartbeat_seconds: float = 30.0
    max_pending_events: int = 256
    write_deadline_seconds: float = 10.0
    drain_seconds: float = 10.0
    limits: StreamLimits = field(default_factory=StreamLimits)


class SseService:
    """The streams of one process; the sink of its broker."""

    def __init__(self, broker: Broker, options: StreamOptions | None = None) -> None:
        self.options = options or StreamOptions()
        self.stats = StreamStats()
        self._broker = broker
        self._streams = StreamRegistry(
            turns=max(1, round(self.options.heartbeat_seconds / TICK_SECONDS))
        )
        self._delivery = Delivery(
            self._streams,
            max_pending_events=self.options.max_pending_events,
            close_stream=self.close,
            stats=self.stats,
        )
        self._admission = Admission(self.options.limits)
        self.turns = Turns()
        self._pulse = Pulse(
            self._streams,
            self._delivery,
            write_deadline_seconds=self.options.write_deadline_seconds,
            close_stream=self.close,
            every_second=self._sweep,
        )
        self._histories_told = 0
        self._is_draining = False

    # -- life -----------------------------------------------------------------

    def start(self) -> None:
        """Begin to serve: be fed by the broker, beat and sweep. Idempotent."""
        if not self._pulse.is_running and not self._is_draining:
            self._pulse.start()
            self._broker.start(self)

    def stop(self) -> None:
        """Close what is open, at once, and stop. Idempotent; switches greenlets."""
        self.refuse_new_streams()
        self.close_where(lambda stream: True, CloseReason.DRAINING)
        if self._pulse.is_running:
            self._pulse.stop()
            self._broker.stop()

    def refuse_new_streams(self) -> None:
        """Open no stream any more."""
        self._is_draining = True
        self.turns.close()

    def drain(self, *, is_spread: bool, is_handed_over: bool = False) -> None:
        """Open no stream any more and close all: together, or spread over ``drain_seconds``.

        Spread where others take them, so that those do not all arrive at once.
        ``is_handed_over`` says that another process takes them all together. Either
        way their clients come back at once; without, they wait until one has started.
        Switches greenlets.
        """
        is_handed_over = is_handed_over or is_spread
        reason = CloseReason.HANDED_OVER if is_handed_over else CloseReason.DRAINING
        self.refuse_new_streams()
        streams = list(self._streams)
        random.shuffle(streams)
        started = time.monotonic()
        drain_seconds = self.options.drain_seconds if is_spread else 0.0
        for index, stream in enumerate(streams):
            due = started + drain_seconds * index / len(streams)
            if (wait_seconds := due - time.monotonic()) > 0:
                # At least a tick at a time: thousands need no timer each.
                gevent.sleep(max(wait_seconds, TICK_SECONDS / 10))
            self.close(stream, reason)

    @property
    def is_draining(self) -> bool:
        """Whether this process is about to stop."""
        return self._is_draining

    # -- streams --------------------------------------------------------------

    def open(
        self,
        kind: str,
        channel_id: str,
        principal: Principal,
        *,
        client: str = "-",
        last_event_id: str | None = None,
        handover: Handover | None = None,
    ) -> StreamBody:
        """Open a stream of ``kind`` (session, waiter) and return its response body.

        The caller has checked that ``principal`` may hear it: whoever gets
        the body hears everything on the channel. Switches greenlets while the
        broker is asked.

        Raises:
            StreamRefused: over a limit, draining, or the broker is away.
        """
        if self._is_draining:
            raise ServerDraining("This server is restarting.", retry_after_seconds=1)
        self._admission.enter(principal.key)
        now = time.time()
        stream = Stream(
            secrets.token_hex(8),
            channel_name(kind, channel_id),
            principal,
            client=client,
            opened_at=now,
            expires_at=min(principal.expires_at, now + MAX_STREAM_SECONDS),
        )
        self._streams.add(stream)
        try:
            opening = begin(
                stream,
                self._broker,
                last_event_id=EventId.parse(last_event_id) if last_event_id else None,
                is_return=bool(last_event_id),
                heartbeat_seconds=self.options.heartbeat_seconds,
            )
        except BrokerUnavailable as error:
            self._give_up(stream)
            raise HistoryUnavailable(
                "Live updates are not available at the moment.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ) from error
        except BaseException:
            self._give_up(stream)
            raise
        self.stats.opened[kind] += 1
        self.stats.resumed += opening.is_resumed
        log.info("stream opened", extra=_fields(stream, resumed=opening.is_resumed))
        return StreamBody(
            opening, self._broker, close_stream=self.close, handover=handover, stats=self.stats
        )

    def close(self, stream: Stream, reason: CloseReason) -> None:
        """End ``stream``; its client is told why, where it can be. Idempotent."""
        if stream.is_closed:
            return
        stream.close_reason = reason
        depth = stream.depth
        self._forget(stream)
        self.stats.closed[reason.code] += 1
        if stream.outlet is not None:
            stream.outlet.close(farewell(reason), abort=reason.is_stuck)
        self.stats.events_sent += stream.events_sent
        log.log(
            logging.WARNING if reason.is_stuck else logging.INFO,
            "stream closed: %s",
            reason.sentence,
            extra=_fields(
                stream,
                reason=reason.code,
                seconds=round(time.time() - stream.opened_at, 1),
                events=stream.events_sent,
                pending=depth,
            ),
        )

    def close_where(self, condition: Callable[[Stream], bool], reason: CloseReason) -> int:
        """Close every stream for which ``condition`` holds; return how many."""
        matching = [stream for stream in self._streams if condition(stream)]
        for stream in matching:
            self.close(stream, reason)
        return len(matching)

    def counts(self) -> dict[str, int]:
        """Return this process's open streams: ``{"session": n, "waiter": n}``."""
        return self._streams.counts

    def events_sent(self) -> int:
        """Return how many events were ever written to streams. Walks all of them."""
        return self.stats.events_sent + sum(stream.events_sent for stream in self._streams)

    def fullest_mailbox(self) -> int:
        """Return how many events wait where most do. Walks all streams."""
        return max((stream.depth for stream in self._streams), default=0)

    # -- what the broker feeds: the Sink --------------------------------------

    def deliver(self, channel: str, event: StoredEvent) -> None:
        """Bring ``event`` to every stream on ``channel``."""
        self._delivery.deliver(channel, event)

    def resync(self, channel: str, tip: EventId) -> None:
        """Tell every stream on ``channel`` to load everything again."""
        self.stats.histories_lost += 1
        for stream in list(self._streams.on_channel(channel)):
            self.stats.resyncs["history_lost"] += 1
            if stream.is_replaying:
                # It reads the history again, and finds the gap by itself.
                stream.has_overflowed = True
            else:
                self._delivery.deliver_to(stream, resync_event(tip))

    def resync_all(self) -> None:
        """Tell every stream to load everything again."""
        for channel in self._streams.channels():
            self.resync(channel, self._broker.tip(channel))

    # -- inside ---------------------------------------------------------------

    def _give_up(self, stream: Stream) -> None:
        """Forget a stream that could not be opened, unless it was closed first."""
        if not stream.is_closed:
            self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        self._admission.leave(stream.principal.key)
        if self._streams.remove(stream):
            self._broker.unsubscribe(stream.channel)

    def _sweep(self) -> None:
        self._broker.sweep()
        if lost := self.stats.histories_lost - self._histories_told:
            # Together, once a second: a Redis that lost its data loses all of them.
            self._histories_told += lost
            log.warning(
                "histories were lost; their streams load everything again",
                extra={"fields": {"histories": lost}},
            )


def _fields(stream: Stream, **more: object) -> dict[str, object]:
    """Return the ``extra`` of a log line about ``stream``."""
    known = {
        "stream": stream.connection_id,
        "channel": stream.channel,
        "who": stream.principal.key,
        "client": stream.client,
    }
    return {"fields": {**known, **more}}
