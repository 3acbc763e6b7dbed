"""What has happened to the streams of this process, in plain numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from notifications.streams.delivery_latency import DeliveryLatency


@dataclass(slots=True)
class StreamStats:
    """Totals since the process started; they only ever rise.

    Plain integers, since they are counted on the hot paths; metrics and tests read
    them when they need them.
    """

    #: Streams opened, by kind (session, waiter).
    opened: Counter[str] = field(default_factory=Counter)
    #: Of these, how many resumed where the client had stopped.
    resumed: int = 0
    #: Streams ended, by ``CloseReason.code``.
    closed: Counter[str] = field(default_factory=Counter)
    #: Streams not opened, by the error's ``cause``.
    refused: Counter[str] = field(default_factory=Counter)
    #: Events written to streams that have ended by now, replays included.
    events_sent: int = 0
    #: Events read from the history for those who came back.
    events_replayed: int = 0
    #: Streams told to load everything again, by cause: ``place_unknown``, for
    #: one that came back too late, or ``history_lost``, for one that was open.
    resyncs: Counter[str] = field(default_factory=Counter)
    #: Channels of open streams whose history was lost.
    histories_lost: int = 0
    #: Events that met a full mailbox, whether or not its stream could be saved.
    overflows: int = 0
    latency: DeliveryLatency = field(default_factory=DeliveryLatency)
