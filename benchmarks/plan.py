"""The sizes of one run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes of one run. Counts are streams or events, rates per second."""

    #: Every server is measured once per round, in turn. The table shows medians.
    rounds: int = 3
    #: Idle streams held at once, in growing numbers, each on a channel of its own.
    sizes: tuple[int, ...] = (100, 1_000, 10_000)
    #: Seconds that idle streams are measured (heartbeats every 30 s continue).
    idle_seconds: float = 5
    #: One event to one of the streams.
    single_rate: float = 1_000
    single_events: int = 3_000
    #: One event to all of ``fan_streams``.
    fan_streams: int = 1_000
    fan_rate: float = 20
    fan_events: int = 80
    bursts: int = 3
    #: Clients that come back with Last-Event-ID and have missed three events.
    resume_streams: int = 1_000
    #: Clients whose server's worker is killed.
    storm_streams: int = 5_000
    #: Status changes on the floor while ``fan_streams`` streams are open: a busy
    #: evening in fifty restaurants, which is the load that the service must carry.
    change_rates: tuple[int, ...] = (50, 200)
    change_seconds: int = 10


FULL = Plan()

#: A quick look, not a result: one round, smaller crowds.
QUICK = Plan(
    rounds=1,
    sizes=(100, 1_000, 4_000),
    idle_seconds=2,
    single_events=1_500,
    fan_events=40,
    bursts=2,
    storm_streams=2_000,
    change_seconds=4,
)
