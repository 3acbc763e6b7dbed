"""The streams of this process: open them, drain and count them."""

from __future__ import annotations

import logging
import random
import secrets
import time
from dataclasses import dataclass, field

import gevent

from notifications.brokers.base import Broker
from notifications.channels import channel_name
from notifications.errors import BrokerUnavailable, HistoryUnavailable
from notifications.events.encoding import EventId
from notifications.principal import Principal
from notifications.streams.admission import RETRY_AFTER_SECONDS, Admission, StreamLimits
from notifications.streams.body import Handover, StreamBody, begin
from notifications.streams.delivery import Delivery
from notifications.streams.open_streams import OpenStreams
from notifications.streams.stats import StreamStats
from notifications.streams.stream import CloseReason, Stream
from notifications.streams.upkeep import TICK_SECONDS, Upkeep
from waiter_service.actors import MAIN_VENUE

log = logging.getLogger("notifications.streams")

#: A token without an expiry still ends its stream: after twelve hours, longer than a shift.
MAX_STREAM_SECONDS = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How streams behave. Units are in the names.

    ``max_pending_events`` is how many events may wait for one client that does not read,
    ``write_deadline_seconds`` how long a client may take nothing at all.
    """

    heartbeat_seconds: float = 30.0
    max_pending_events: int = 256
    write_deadline_seconds: float = 10.0
    drain_seconds: float = 10.0
    limits: StreamLimits = field(default_factory=StreamLimits)


class SseService:
    """The streams of one process."""

    def __init__(self, broker: Broker, options: StreamOptions | None = None) -> None:
        self.options = options or StreamOptions()
        self.stats = StreamStats()
        self.admission = Admission(self.options.limits)
        self._broker = broker
        self.streams = OpenStreams(
            broker,
            self.admission,
            self.stats,
            groups=round(self.options.heartbeat_seconds / TICK_SECONDS),
        )
        self.delivery = Delivery(
            self.streams,
            max_pending_events=self.options.max_pending_events,
            stats=self.stats,
        )
        self._upkeep = Upkeep(
            self.streams,
            self.delivery,
            broker,
            self.stats,
            write_deadline_seconds=self.options.write_deadline_seconds,
        )

    # -- starting and stopping ------------------------------------------------

    def start(self) -> None:
        """Begin to serve: receive events from the broker and run the upkeep. Idempotent."""
        if not self._upkeep.is_running and not self.is_draining:
            self._upkeep.start()
            self._broker.start(self.delivery)

    def stop(self) -> None:
        """Close all streams at once, and stop. Idempotent; switches greenlets."""
        self.refuse_new_streams()
        self.streams.close_where(lambda stream: True, CloseReason.DRAINING)
        if self._upkeep.is_running:
            self._upkeep.stop()
            self._broker.stop()

    def refuse_new_streams(self) -> None:
        """Open no more streams. Idempotent."""
        self.admission.close()

    def drain(self, *, is_spread: bool, is_handed_over: bool = False) -> None:
        """Open no more streams and close all: at once, or spread over ``drain_seconds``.

        Spread the closing if other processes take the streams. Each client then comes back
        immediately, and they do not arrive there at once. ``is_handed_over`` says that another
        process takes all of them at once: then each waits for a random moment. Otherwise
        they wait until a new process has started. Switches greenlets.
        """
        drain_seconds = self.options.drain_seconds if is_spread else 0.0
        if drain_seconds:
            reason = CloseReason.MOVED
        elif is_spread or is_handed_over:
            reason = CloseReason.HANDED_OVER
        else:
            reason = CloseReason.DRAINING
        self.refuse_new_streams()
        streams = list(self.streams)
        random.shuffle(streams)
        started = time.monotonic()
        for index, stream in enumerate(streams):
            due = started + drain_seconds * index / len(streams)
            if (wait_seconds := due - time.monotonic()) > 0:
                # Sleep at least a tick at a time: thousands of streams need no timer each.
                gevent.sleep(max(wait_seconds, TICK_SECONDS / 10))
            self.streams.close(stream, reason)

    @property
    def is_draining(self) -> bool:
        """Whether this process is about to stop."""
        return self.admission.is_closed

    # -- streams --------------------------------------------------------------

    def open(
        self,
        kind: str,
        channel_id: str,
        principal: Principal,
        *,
        venue_id: str = MAIN_VENUE,
        client: str = "-",
        last_event_id: str | None = None,
        handover: Handover | None = None,
    ) -> StreamBody:
        """Open the stream of ``kind`` in a venue and return its response body.

        The caller must have checked that ``principal`` may follow it: the body carries
        every event of the channel. Switches greenlets while it reads the history.

        Raises:
            StreamRefused: a limit is reached, the process drains, or the broker is away.
        """
        now = time.time()
        stream = Stream(
            secrets.token_hex(8),
            channel_name(venue_id, kind, channel_id),
            principal,
            client=client,
            opened_at=now,
            expires_at=min(principal.expires_at, now + MAX_STREAM_SECONDS),
        )
        self.streams.add(stream)
        try:
            opening = begin(
                stream,
                self._broker,
                last_event_id=EventId.parse(last_event_id) if last_event_id else None,
                is_return=bool(last_event_id),
                heartbeat_seconds=self.options.heartbeat_seconds,
            )
        except BrokerUnavailable as error:
            self.streams.discard(stream)
            raise HistoryUnavailable(
                "Live updates are not available at the moment.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ) from error
        except BaseException:
            self.streams.discard(stream)
            raise
        self.stats.opened[kind] += 1
        self.stats.resumed += opening.is_resumed
        log.info("stream opened", extra=stream.log_fields(resumed=opening.is_resumed))
        return StreamBody(opening, self._broker, self.streams, self.stats, handover)

    def counts(self) -> dict[str, int]:
        """Return this process's open streams by kind: ``{"session": n, "waiter": n, ...}``."""
        return self.streams.counts

    def events_sent(self) -> int:
        """Return how many events were written to streams in total. Walks all open streams."""
        return self.stats.events_sent + sum(stream.events_sent for stream in self.streams)

    def fullest_mailbox(self) -> int:
        """Return how many events wait in the fullest mailbox. Walks all open streams."""
        return max((stream.depth for stream in self.streams), default=0)
