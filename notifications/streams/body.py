"""The response body of one stream: greeting, replay, then live.

Resume without gap and without repetition, as DESIGN's section 4 has it. The
stream is registered before the history is read, so whatever is published
meanwhile waits in its mailbox. Then, until the history has nothing more:
empty the mailbox, read a page, send it. Everything older than that read is in
the page, everything newer in the mailbox; only the newer is kept when the
stream goes live. A replay may therefore be longer than any mailbox.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from notifications.brokers.base import Broker, Page
from notifications.errors import BrokerUnavailable
from notifications.events.cache_refresh import AffectedData, CacheRefresh
from notifications.events.closing import Closing
from notifications.events.connection import Connection
from notifications.events.encoding import EventId, Frame, StoredEvent, block, body
from notifications.streams.response_outlet import ResponseOutlet
from notifications.streams.socket_outlet import HandedOver, SocketOutlet, release_greeting
from notifications.streams.stats import StreamStats
from notifications.streams.stream import CloseReason, Stream

#: Milliseconds after which a browser reconnects by itself, spread so that a
#: crowd does not return at once (DESIGN, section 4).
RETRY_MS = (2000, 5000)

#: Events read from the history at a time: about 100 KB, one write.
PAGE_EVENTS = 256

CloseStream = Callable[[Stream, CloseReason], None]


@dataclass(frozen=True, slots=True)
class Handover:
    """A socket that may be taken over from the server, and how it is framed."""

    sock: socket.socket
    is_chunked: bool


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a stream begins: its greeting, its place, and what was read there."""

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
    """Subscribe ``stream`` and find its place, before anything is answered.

    ``is_return`` says that the client named a place; one that makes no sense
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
    kind, _, channel_id = stream.channel.partition(":")
    connection = Connection(
        connection_id=stream.connection_id,
        session_id=channel_id if kind == "session" else None,
        waiter_id=channel_id if kind == "waiter" else None,
        heartbeat_seconds=heartbeat_seconds,
        resumed=is_return and not page.is_gap,
        expires_at=datetime.fromtimestamp(stream.expires_at, UTC),
    )
    greeting = block(
        connection,
        # A fresh client gets its place right away, so that it loses nothing
        # if it is cut off before its first event. One that resumes has its
        # id, and one with a gap must not get one before it heard the resync.
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


def farewell(reason: CloseReason) -> Frame | None:
    """Return what a stream says last, or None where its client would not hear it."""
    if reason.reconnect is None:
        return None
    wait_ms = None
    if reason.reconnect_ms is not None:
        wait_ms = random.randint(*reason.reconnect_ms)  # noqa: S311 - jitter keeps no secret
    closing = Closing(
        code=reason.code,
        reason=reason.sentence,
        reconnect=reason.reconnect,
        reconnect_in_ms=wait_ms,
    )
    return Frame(block(closing, retry_ms=wait_ms))


class StreamBody:
    """What the WSGI server iterates over.

    A class rather than a bare generator, since ``close()`` of a generator
    that never started runs none of its code, and the stream would leak.
    """

    def __init__(
        self,
        opening: Opening,
        broker: Broker,
        *,
        close_stream: CloseStream,
        handover: Handover | None,
        stats: StreamStats,
    ) -> None:
        self._stream = opening.stream
        self._broker = broker
        self._close_stream = close_stream
        self._stats = stats
        self._is_handed_over = False
        if handover is None:
            self._chunks = self._through_the_server(opening)
        else:
            self._chunks = self._over_the_socket(opening, handover)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """End the stream, unless it lives on outside of this response."""
        self._chunks.close()
        if not self._is_handed_over:
            self._close_stream(self._stream, CloseReason.CLIENT_GONE)

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
        # The first chunk makes the server send the headers, and its own
        # framing with it; from there on the bytes are ours.
        yield opening.greeting
        stream, sock = self._stream, handover.sock
        try:
            release_greeting(sock)
            for block in self._replay(opening):
                sock.sendall(Frame(block).chunk if handover.is_chunked else block)
        except TimeoutError:
            self._close_stream(stream, CloseReason.WRITE_STALLED)
        except OSError:
            self._close_stream(stream, CloseReason.CLIENT_GONE)
        if not stream.is_closed:
            stream.outlet = SocketOutlet(
                stream, sock, is_chunked=handover.is_chunked, on_end=self._close_stream
            )
            self._is_handed_over = True
            stream.outlet.flush()
        elif _farewell_of(stream) is not None:
            # Its client reads: let the server end the response as it should be.
            return
        raise HandedOver

    def _replay(self, opening: Opening) -> Iterator[bytes]:
        """Yield what the client missed, then make the stream live.

        One that is closed meanwhile has its farewell yielded instead.
        Switches greenlets only while yielding or reading: between the last,
        empty read and going live nothing can be published.
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
                # The greeting is out, so this cannot be refused any more. The
                # client comes back, from the last id it has.
                self._close_stream(stream, CloseReason.FAILED)
        if (last := _farewell_of(stream)) is not None:
            yield last.block


def _farewell_of(stream: Stream) -> Frame | None:
    return None if stream.close_reason is None else farewell(stream.close_reason)
