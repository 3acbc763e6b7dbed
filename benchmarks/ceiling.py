"""Measures the limit of the load generator, with a server that only writes.

That server runs on the core of the measured servers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from benchmarks import processes
from benchmarks.generator import Generator
from benchmarks.paths import HERE, PEERS

STREAMS = 1_000
EVENTS = 400

#: Events per write: one, as when one event goes to many streams, or many, as in a burst.
BATCHES: Mapping[str, int] = {"one_per_write": 1, "fifty_per_write": 50}


def measure() -> dict[str, float]:
    """Return the deliveries per second at which the generator's core is fully used, per kind."""
    found = {}
    for name, batch in BATCHES.items():
        with Generator() as generator:
            port = processes.free_port()
            arguments = map(str, (port, STREAMS, EVENTS, batch))
            sink = processes.start(
                [generator.binary, "blast", *arguments], cwd=HERE, log=PEERS / "blast.log"
            )
            try:
                found[name] = _deliveries_per_cpu_second(generator, port)
            finally:
                processes.stop(sink)
    return found


def _deliveries_per_cpu_second(generator: Generator, port: int) -> float:
    # Not await_port, because the sink counts every connection as a stream.
    time.sleep(0.1)
    generator.aim(port, ["/stream"] * STREAMS, ready="head")
    generator.open(0, STREAMS)
    generator.command(f"expect 1 {EVENTS}")
    before = generator.cpu_seconds()
    answer = generator.command(f"collect 20000 {STREAMS * EVENTS}", limit_seconds=20)
    return float(answer["received"] / (generator.cpu_seconds() - before))
