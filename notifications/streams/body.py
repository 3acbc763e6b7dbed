"""The response body of one stream: greeting, replay, then live events.

A client resumes without gaps or repetitions. The stream subscribes before the history is
read, so events published in the meantime wait in its mailbox. The replay then repeats:
empty the mailbox, read a page of the history, send the page. Events older than the read
are in the page, newer ones in the mailbox. When a page is empty the stream goes live and
keeps only the newer events. So a replay may be longer than any mailbox.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from notifications.brokers.base import Broker, Page
from notifications.channels import OF_A_VENUE, split_channel
from notifications.errors import BrokerUnavailable
from notifications.events.cache_refresh import AffectedData, CacheRefresh
from notifications.events.connection import Connection
from notifications.events.encoding import EventId, Frame, StoredEvent, block, body
from notifications.streams.open_streams import OpenStreams
from notifications.streams.response_outlet import ResponseOutlet
from notifications.streams.socket_outlet import SocketOutlet
from notifications.streams.stats import StreamStats
from notifications.streams.stream import CloseReason, Stream

#: Milliseconds after which a browser reconnects by itself, spread so that a
#: crowd does not return at once.
RETRY_MS = (2000, 5000)

#: Events read from the history at a time: about 100 KB, one write.
PAGE_EVENTS = 256


@dataclass(frozen=True, slots=True)
class Handover:
    """A socket that may be taken over from the server, and whether its body is chunked."""

    sock: socket.socket
    is_chunked: bool


@dataclass(frozen=True, slots=True)
class Opening:
    """The start of a stream: its greeting, its place in the history, and the first page."""

    stream: Stream
    greeting: bytes
    place: EventId
    page: Page
    is_resumed: bool


def begin(
    stream: Stream,
    broker: Broker,
    *,
    last_event_id: EventId | None,
    is_return: bool,
    heartbeat_seconds: float,
) -> Opening:
    """Subscribe ``stream`` and find its place, before the response begins.

    ``is_return`` says that the client sent an event id. An id that cannot be parsed
    (``last_event_id`` None) is a gap like any other.

    Raises:
        BrokerUnavailable: the place is not known; nothing was sent.
    """
    broker.subscribe(stream.channel)
    stream.begin_buffering()
    if not is_return:
        place, page = broker.tip(stream.channel), Page()
    elif last_event_id is None:
        place, page = EventId("", 0), Page(is_gap=True)
    else:
        place, page = last_event_id, broker.read(stream.channel, last_event_id, PAGE_EVENTS)
    _, kind, channel_id = split_channel(stream.channel)
    connection = Connection(
        connection_id=stream.connection_id,
        session_id=channel_id if kind == "session" else None,
        waiter_id=channel_id if kind == "waiter" else None,
        venue_id=channel_id if kind in OF_A_VENUE else None,
        heartbeat_seconds=heartbeat_seconds,
        resumed=is_return and not page.is_gap,
        expires_at=datetime.fromtimestamp(stream.expires_at, UTC),
    )
    greeting = block(
        connection,
        # A new client gets its place right away, so that it loses nothing
        # if it is cut off before its first event. A client that resumes has an
        # id, and one with a gap must not get an id before it got the resync.
        event_id=None if is_return else place,
        retry_ms=random.randint(*RETRY_MS),  # noqa: S311 - jitter keeps no secret
    )
    return Opening(stream, greeting, place, page, connection.resumed)


def resync_event(tip: EventId) -> StoredEvent:
    """Return the ``cache_refresh`` that tells a client to load everything again."""
    refresh = CacheRefresh.told(
        affected_data=(AffectedData.ALL,),
        reasons=["Some events are no longer available"],
        timestamp=datetime.now(UTC),
    )
    return StoredEvent(tip.epoch, tip.offset, body(refresh))


class StreamBody:
    """The blocks of one response, in order: greeting, replay and, unless handed over, live events.

    Iteration ends when the stream is closed, or when it is handed over: then its
    outlet owns the socket, and the caller must write nothing more. Iteration raises
    ``OSError`` if the client is gone or does not read; the stream is closed by then.

    This is a class and not a bare generator, because ``close()`` of a generator
    that never started runs none of its code, and the stream would leak.
    """

    def __init__(
        self,
        opening: Opening,
        broker: Broker,
        streams: OpenStreams,
        stats: StreamStats,
        handover: Handover | None,
    ) -> None:
        #: Whether the stream continues without this response.
        self.is_handed_over = False
        self._stream = opening.stream
        self._broker = broker
        self._streams = streams
        self._stats = stats
        if handover is None:
            self._blocks = self._through_the_server(opening)
        else:
            self._blocks = self._over_the_socket(opening, handover)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return next(self._blocks)

    def close(self) -> None:
        """End the stream, unless it was handed over."""
        self._blocks.close()
        if not self.is_handed_over:
            self._streams.close(self._stream, CloseReason.CLIENT_GONE)

    def _through_the_server(self, opening: Opening) -> Generator[bytes, None, None]:
        stream = self._stream
        outlet = ResponseOutlet(stream)
        yield opening.greeting
        yield from self._replay(opening)
        if not stream.is_closed:
            stream.outlet = outlet
            yield from outlet.chunks()

    def _over_the_socket(
        self, opening: Opening, handover: Handover
    ) -> Generator[bytes, None, None]:
        # With the first block the server sends the response's head. After it,
        # only this method writes to the socket.
        yield opening.greeting
        stream, sock = self._stream, handover.sock
        try:
            for block in self._replay(opening):
                sock.sendall(Frame(block).chunk if handover.is_chunked else block)
        except OSError as error:
            is_stalled = isinstance(error, TimeoutError)
            reason = CloseReason.WRITE_STALLED if is_stalled else CloseReason.CLIENT_GONE
            self._streams.close(stream, reason)
            raise
        if not stream.is_closed:
            stream.outlet = SocketOutlet(
                stream, sock, self._streams, is_chunked=handover.is_chunked
            )
            self.is_handed_over = True
            stream.outlet.flush()

    def _replay(self, opening: Opening) -> Iterator[bytes]:
        """Yield the events that the client missed, then make the stream live.

        If the stream is closed meanwhile, its ``closing`` event is yielded instead.
        Switches greenlets only while it yields or reads, so nothing can be published
        between the last, empty read and going live.
        """
        stream, place, page = self._stream, opening.place, opening.page
        while not stream.is_closed:
            if page.is_gap:
                self._stats.resyncs["place_unknown"] += 1
                place = self._broker.tip(stream.channel)
                yield resync_event(place).block
            elif page.events:
                place = page.events[-1].event_id
                stream.events_sent += len(page.events)
                self._stats.events_replayed += len(page.events)
                yield b"".join([event.block for event in page.events])
            elif not stream.has_overflowed:
                stream.go_live(place)
                return
            try:
                stream.begin_buffering()
                page = self._broker.read(stream.channel, place, PAGE_EVENTS)
            except BrokerUnavailable:
                # The greeting is out, so an error status is no longer possible. The
                # client comes back with the last id it has.
                self._streams.close(stream, CloseReason.FAILED)
        reason = stream.close_reason
        if reason is not None and (last := reason.closing_frame()) is not None:
            yield last.block
