"""What is done to each server. Every function returns figures whose names end in their unit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from benchmarks import processes
from benchmarks.generator import Answer, Generator, GeneratorError
from benchmarks.plan import Plan
from benchmarks.servers import Server

#: Figures of one server in one round, by name, e.g. ``connect_cpu_ms@1000``.
Figures = dict[str, float]


@dataclass
class Checks:
    """Expected deliveries, and how many were lost, duplicated or out of order."""

    expected: int = 0
    lost: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    unexpected: int = 0
    #: Scenarios that were not finished, and why.
    failures: list[str] = field(default_factory=list)
    #: The highest share of its core that the generator used. Near 1, the generator was the limit.
    generator_busy: float = 0.0

    def count(self, answer: Answer, expected: int) -> None:
        """Add the counts of one measurement."""
        self.expected += expected
        self.lost += max(0, expected - answer["received"])
        for name in ("duplicates", "out_of_order", "unexpected"):
            setattr(self, name, getattr(self, name) + answer[name])


@dataclass
class Bench:
    """One server, the generator that loads it, and the checks both must pass."""

    server: Server
    generator: Generator
    plan: Plan
    checks: Checks

    def aim(self, prefix: str, channels: int, streams: int | None = None) -> None:
        """Prepare ``streams`` requests, spread over channels ``prefix0``, ``prefix1``, ..."""
        self.generator.aim(
            self.server.port,
            [self.server.request(f"{prefix}{i % channels}") for i in range(streams or channels)],
            ready=self.server.ready,
        )

    def expect(self, step: int, per_stream: int) -> None:
        """Clear the counts: stream i expects events i, i + step, ..., ``per_stream`` of them."""
        self.generator.command(f"expect {step} {per_stream}")

    @contextmanager
    def cost(self) -> Iterator[Cost]:
        """Measure the server's processor time and the wall time of the block."""
        cost = Cost()
        pids = self.server.pids()
        wall, own = time.monotonic(), self.generator.cpu_seconds()
        before = processes.cpu_seconds(pids)
        yield cost
        cost.wall_seconds = time.monotonic() - wall
        # The server's work may continue after the clients have their answer.
        self.generator.command("idle 60")
        cost.cpu_seconds = processes.cpu_seconds(pids) - before
        if cost.wall_seconds > 0.5:
            busy = (self.generator.cpu_seconds() - own) / cost.wall_seconds
            self.checks.generator_busy = max(self.checks.generator_busy, busy)


@dataclass
class Cost:
    """The server's cost of a block; filled in when the block ends."""

    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0


def warm_up(bench: Bench) -> None:
    """Let the server import, compile and allocate what only the first clients need."""
    bench.aim("warm-", 20)
    bench.generator.open(0, 20)
    bench.server.settle(0.2)
    bench.expect(20, 10)
    bench.server.publish(
        bench.generator, prefix="warm-", channels=20, count=200, total=200, rate=1000
    )
    bench.generator.command("close 0 20")
    bench.server.settle()


def idle_streams(bench: Bench) -> Figures:
    """Open more and more quiet streams, then publish to one of them as they get fewer.

    Nothing is published before the last memory reading, so that it shows only the streams.
    """
    server, generator, plan = bench.server, bench.generator, bench.plan
    sizes = [size for size in plan.sizes if size <= server.most_streams]
    bench.aim("own-", sizes[-1])
    figures: Figures = {}
    before = last = processes.memory(server.pids())
    held = 0
    for size in sizes:
        with bench.cost() as cost:
            opened = generator.open(held, size - held)
        server.settle()
        now = processes.memory(server.pids())
        figures[f"memory_kib@{size}"] = (now.pss_kib - before.pss_kib) / size
        figures[f"private_dirty_kib@{size}"] = (
            now.private_dirty_kib - before.private_dirty_kib
        ) / size
        # Memory left free by the start serves the first streams, so only later streams
        # show the cost of one.
        further = (now.pss_kib - last.pss_kib) / (size - held)
        figures[f"memory_further_kib@{size}"] = further
        last = now
        if server.ready != "sent":
            figures[f"connect_cpu_ms@{size}"] = cost.cpu_seconds * 1000 / (size - held)
            figures[f"connect_wall_ms@{size}"] = opened["wall_ms"] / (size - held)
        held = size
    with bench.cost() as cost:
        generator.command(f"idle {plan.idle_seconds * 1000}", limit_seconds=plan.idle_seconds)
    figures[f"idle_cpu_percent@{held}"] = cost.cpu_seconds * 100 / cost.wall_seconds
    for size in reversed(sizes):
        generator.command(f"close {size} {held - size}")
        held = size
        server.settle()
        figures |= _one_of(bench, size)
    with bench.cost() as cost:
        server.publish(
            generator, prefix="nobody-", channels=held, count=1000, total=0, rate=plan.single_rate
        )
    figures["publish_alone_cpu_us"] = cost.cpu_seconds * 1e6 / 1000
    generator.command(f"close 0 {held}")
    return figures


def _one_of(bench: Bench, size: int) -> Figures:
    """One event to one of ``size`` streams, many times a second."""
    plan = bench.plan
    bench.expect(size, -(-plan.single_events // size))
    with bench.cost() as cost:
        answer = bench.server.publish(
            bench.generator,
            prefix="own-",
            channels=size,
            count=plan.single_events,
            total=plan.single_events,
            rate=plan.single_rate,
            limit_seconds=20 + 3 * plan.single_events / plan.single_rate,
        )
    bench.checks.count(answer, plan.single_events)
    seconds = (answer["last_sent_ns"] - answer["first_sent_ns"]) / 1e9
    return {
        f"one_of_cpu_us@{size}": cost.cpu_seconds * 1e6 / plan.single_events,
        f"one_of_p50_ms@{size}": answer["p50_ms"],
        f"one_of_p99_ms@{size}": answer["p99_ms"],
        # Lower than the requested rate: the server could not keep up.
        f"one_of_reached_per_s@{size}": (plan.single_events - 1) / seconds if seconds else 0.0,
    }


def fan_out(bench: Bench) -> Figures:
    """Send one event to all of many streams on one channel: at intervals, and in bursts."""
    server, generator, plan = bench.server, bench.generator, bench.plan
    streams = plan.fan_streams
    bench.aim("fan-", 1, streams)
    generator.open(0, streams)
    server.settle()
    total = streams * plan.fan_events
    bench.expect(1, plan.fan_events)
    with bench.cost() as cost:
        answer = server.publish(
            generator,
            prefix="fan-",
            channels=1,
            count=plan.fan_events,
            total=total,
            rate=plan.fan_rate,
            limit_seconds=60,
        )
    bench.checks.count(answer, total)
    figures = {
        "fan_cpu_us": cost.cpu_seconds * 1e6 / total,
        "fan_p50_ms": answer["p50_ms"],
        "fan_p99_ms": answer["p99_ms"],
    }
    burst_total = streams * server.burst_events
    speeds, costs = [], []
    for _ in range(plan.bursts):
        bench.expect(1, server.burst_events)
        with bench.cost() as cost:
            answer = server.publish(
                generator,
                prefix="fan-",
                channels=1,
                count=server.burst_events,
                total=burst_total,
                limit_seconds=60,
            )
        bench.checks.count(answer, burst_total)
        seconds = (answer["last_arrival_ns"] - answer["first_sent_ns"]) / 1e9
        speeds.append(answer["received"] / seconds)
        costs.append(cost.cpu_seconds * 1e6 / burst_total)
    figures["burst_per_s"] = sorted(speeds)[len(speeds) // 2]
    figures["burst_cpu_us"] = sorted(costs)[len(costs) // 2]
    generator.command(f"close 0 {streams}")
    return figures


def resume(bench: Bench) -> Figures:
    """Come back after three missed events, with Last-Event-ID; each must come once, in order."""
    server, generator, streams = bench.server, bench.generator, bench.plan.resume_streams
    if not server.resumes:
        return {}
    bench.aim("back-", streams)
    generator.open(0, streams)
    server.settle()
    bench.expect(streams, 5)
    publish = partial(server.publish, generator, prefix="back-", channels=streams, rate=2000)
    seen = publish(count=2 * streams, total=2 * streams)
    generator.command(f"close 0 {streams}")
    server.settle()
    publish(count=3 * streams, first=2 * streams, total=0)
    server.settle()
    generator.command("resume on")
    with bench.cost() as cost:
        opened = generator.open(0, streams)
        answer = generator.command(f"collect 10000 {5 * streams}", limit_seconds=10)
    bench.checks.count(answer, 5 * streams)
    generator.command(f"close 0 {streams}")
    if seen["received"] != 2 * streams:
        bench.checks.failures.append("resume: the events before the break did not all arrive")
    return {
        "resume_cpu_ms": cost.cpu_seconds * 1000 / streams,
        "resume_wall_ms": opened["wall_ms"] / streams,
    }


def restart(bench: Bench) -> Figures:
    """Kill the worker while many streams are open, and measure until the last client is back."""
    server, generator = bench.server, bench.generator
    streams = min(bench.plan.storm_streams, server.most_streams)
    if server.ready == "sent" or streams < bench.plan.storm_streams:
        return {}
    bench.aim("storm-", streams)
    generator.open(0, streams)
    server.settle()
    bench.expect(streams, 2)
    publish = partial(server.publish, generator, prefix="storm-", channels=streams, rate=5000)
    publish(count=streams, total=streams)
    generator.command("resume on")
    generator.command("storm on")
    server.kill_worker()
    back = generator.command(f"await_up {streams} 60000", limit_seconds=60)
    generator.command("storm off")
    if back["up"] != streams:
        raise GeneratorError(f"not all clients came back: {back}")
    server.settle()
    answer = publish(count=streams, first=streams, total=2 * streams)
    bench.checks.count(answer, 2 * streams)
    generator.command(f"close 0 {streams}")
    return {
        "restart_s": back["since_drop_ms"] / 1000,
        "restart_attempts": back["attempts"] / streams,
    }
