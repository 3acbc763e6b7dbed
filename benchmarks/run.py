"""One run: every server in turn, round by round."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import changes, scenarios
from benchmarks.generator import Generator, GeneratorError
from benchmarks.plan import Plan
from benchmarks.processes import StartError
from benchmarks.scenarios import Bench, Checks, Figures
from benchmarks.servers import Server

Scenario = Callable[[Bench], Figures]

#: The scenarios of one group share a server process; each group gets a new one.
SCENARIOS: dict[str, tuple[Scenario, ...]] = {
    "idle": (scenarios.idle_streams,),
    "fan": (scenarios.fan_out, scenarios.resume),
    "restart": (scenarios.restart,),
    "changes": (changes.status_changes,),
}


@dataclass
class Outcome:
    """One server in one round."""

    server: Server
    figures: Figures
    checks: Checks
    #: Share of the servers' core that other processes used. A high share spoils the measurement.
    disturbance: float


def say(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)


def core_busy_seconds(core: int = 0) -> float:
    """Return how long a core has been busy, in seconds, with a resolution of 10 ms."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _wait, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) / 100
    return 0.0


def measure(server: Server, generator: Generator, plan: Plan, groups: Sequence[str]) -> Outcome:
    """Put one server through the chosen groups of scenarios."""
    figures: Figures = {}
    checks = Checks()
    bench = Bench(server, generator, plan, checks)
    wall = ours = busy = 0.0
    for group in groups:
        if group == "changes" and not server.tells_changes:
            continue
        began, core = time.monotonic(), core_busy_seconds()
        used = 0.0
        try:
            server.start()
            scenarios.warm_up(bench)
            for scenario in SCENARIOS[group]:
                figures |= scenario(bench)
            used = server.cpu_seconds()
        except (GeneratorError, StartError, KeyError) as error:
            checks.failures.append(f"{group}: {error}")
            say(f"    {group}: {error}")
        finally:
            server.stop()
        if used:
            wall += time.monotonic() - began
            busy += core_busy_seconds() - core
            ours += used
    return Outcome(server, figures, checks, max(0.0, busy - ours) / wall if wall else 0.0)


def run(
    servers: Sequence[Server],
    plan: Plan,
    groups: Sequence[str],
    on_outcome: Callable[[Sequence[Outcome]], None],
) -> list[Outcome]:
    """Measure all servers ``plan.rounds`` times, in turn; report the results after each."""
    outcomes: list[Outcome] = []
    for number in range(plan.rounds):
        for server in servers:
            began = time.monotonic()
            say(f"round {number + 1}/{plan.rounds}: {server.label}")
            # A new generator each time, so that one that died does not spoil the rest.
            with Generator() as generator:
                outcomes.append(measure(server, generator, plan, groups))
            say(f"    {time.monotonic() - began:.0f} s")
            on_outcome(outcomes)
    return outcomes
