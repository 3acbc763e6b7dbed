"""Measures how long a status change takes from the floor to the screens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarks.generator import GeneratorError
from benchmarks.scenarios import Bench, Figures

#: How many of the streams are waiters'. The rest are tables, one each.
WAITERS = 10


def status_changes(bench: Bench) -> Figures:
    """Change orders' statuses while many tables and waiters listen; each change goes to two.

    Latency is measured from the call of ``update_order_status``, and also from its commit.
    """
    server, generator, plan = bench.server, bench.generator, bench.plan
    sessions = plan.fan_streams - WAITERS
    channels = [f"floor-{n}" for n in range(sessions)] + [f"staff-{n}" for n in range(WAITERS)]
    requests = [server.request(channel) for channel in channels]
    generator.aim(server.port, requests, ready=server.ready)
    floor = f"/floor?sessions={sessions}&waiters={WAITERS}"
    if generator.publish(floor, total=0, limit_seconds=60)["answer"] is None:
        raise GeneratorError("the floor could not be set")
    generator.open(0, len(channels))
    server.settle()
    figures: Figures = {}
    first = 0
    for rate in plan.change_rates:
        found = _at_rate(bench, rate, first=first, sessions=sessions)
        figures |= {f"{name}@{rate}": value for name, value in found.items()}
        first += rate * plan.change_seconds
    generator.command(f"close 0 {len(channels)}")
    return figures


def _at_rate(bench: Bench, rate: int, *, first: int, sessions: int) -> Figures:
    """Make ``rate`` changes a second, beginning with number ``first``."""
    server, generator, plan = bench.server, bench.generator, bench.plan
    heard, made = server.dir / f"heard-{rate}.tsv", server.dir / f"changes-{rate}.tsv"
    generator.command(f"log {heard}")
    with bench.cost() as cost:
        answer = generator.publish(
            f"/changes?sessions={sessions}&first={first}&count={rate * plan.change_seconds}"
            f"&rate={rate}&log={made}",
            total=0,
            limit_seconds=30 + 3 * plan.change_seconds,
        )["answer"]
        _await_rest(bench)
    generator.command("log off")
    if answer is None:
        raise GeneratorError("the changes were not all made in time")
    figures = _figures(bench, made, heard, cost.cpu_seconds)
    # Lower than the requested rate: changes are made one after another, and took longer.
    figures["change_reached_per_s"] = answer["changed"] * 1000 / answer["elapsed_ms"]
    return figures


def _await_rest(bench: Bench) -> None:
    """Wait until all changes have arrived: the servers use less than a tenth of their core."""
    for _ in range(100):
        before = bench.server.cpu_seconds()
        bench.generator.command("idle 200")
        if bench.server.cpu_seconds() - before < 0.02:
            return


def _figures(bench: Bench, made: Path, heard: Path, cpu_seconds: float) -> Figures:
    """Match received events with the changes; count missing and duplicate ones."""
    changes: dict[tuple[str, int], tuple[int, int]] = {}
    for line in made.read_text().splitlines():
        order_id, number, called, committed = line.split("\t")
        changes[order_id, int(number)] = int(called), int(committed)
    arrivals: dict[tuple[str, int], list[int]] = {key: [] for key in changes}
    last_version: dict[tuple[int, str], int] = {}
    for arrival_ns, stream, order, version in _order_updates(heard):
        if (order, version) not in arrivals:
            continue
        arrivals[order, version].append(arrival_ns)
        if version < last_version.get((stream, order), 0):
            bench.checks.out_of_order += 1
        last_version[stream, order] = version
    checks = bench.checks
    checks.expected += 2 * len(changes)
    checks.lost += sum(max(0, 2 - len(times)) for times in arrivals.values())
    checks.duplicates += sum(max(0, len(times) - 2) for times in arrivals.values())
    since_call = [at - changes[key][0] for key, times in arrivals.items() for at in times]
    since_commit = [at - changes[key][1] for key, times in arrivals.items() for at in times]
    return {
        "change_p50_ms": percentile_ms(since_call, 0.5),
        "change_p99_ms": percentile_ms(since_call, 0.99),
        "change_since_commit_p50_ms": percentile_ms(since_commit, 0.5),
        "change_since_commit_p99_ms": percentile_ms(since_commit, 0.99),
        "change_cpu_ms": cpu_seconds * 1000 / len(changes),
    }


def _order_updates(heard: Path) -> Iterator[tuple[int, int, str, int]]:
    """Yield arrival (ns), stream, order and version of each order update in the log."""
    for line in heard.read_text().splitlines():
        arrival, stream, data = line.split("\t", 2)
        event = json.loads(data.removeprefix("data:"))
        if "orderId" in event:
            yield int(arrival), int(stream), event["orderId"], event["version"]


def percentile_ms(values_ns: list[int], share: float) -> float:
    """Return the value below which ``share`` of the values lie, in milliseconds."""
    if not values_ns:
        return float("nan")
    ordered = sorted(values_ns)
    return ordered[round(share * (len(ordered) - 1))] / 1e6
