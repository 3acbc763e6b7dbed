"""Counts what happened to the streams of this process."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from notifications.streams.delivery_latency import DeliveryLatency


@dataclass(slots=True)
class StreamStats:
    """Totals since the process started. They only rise.

    Plain integers, because hot paths count them; metrics and tests read them when needed.
    """

    #: Streams opened, by kind (session, waiter).
    opened: Counter[str] = field(default_factory=Counter)
    #: How many of them resumed where the client had stopped.
    resumed: int = 0
    #: Streams ended, by ``CloseReason.code``.
    closed: Counter[str] = field(default_factory=Counter)
    #: Streams not opened, by the error's ``cause``.
    refused: Counter[str] = field(default_factory=Counter)
    #: Events written to streams that have ended since, replays included.
    events_sent: int = 0
    #: Events read from the history for clients that came back.
    events_replayed: int = 0
    #: Streams told to load everything again, by cause: ``place_unknown`` for a client that
    #: came back too late, ``history_lost`` for a stream that was open.
    resyncs: Counter[str] = field(default_factory=Counter)
    #: Channels of open streams whose history was lost.
    histories_lost: int = 0
    #: Events that met a full mailbox, whether or not the stream stayed open.
    overflows: int = 0
    latency: DeliveryLatency = field(default_factory=DeliveryLatency)
