"""Show where the time of each hot path goes: python -m benchmarks.profile.

Runs the scenarios of the comparison against our own service, while py-spy samples the
worker 500 times a second. The CPU time of the worker, as the operating system counts it,
is then split by those samples, so that a cell is microseconds of CPU
for one connect, one delivery, one heartbeat or one change. The sampling itself adds
about a tenth.
"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import changes, generator, install, our_servers, processes, scenarios
from benchmarks.generator import GENERATOR_CORE, Generator
from benchmarks.paths import HERE, PEERS
from benchmarks.plan import FULL
from benchmarks.run import say
from benchmarks.scenarios import Bench, Cost, Figures

LOOKS_PER_SECOND = 500

#: Sizes that give some thousand samples.
PLAN = dataclasses.replace(
    FULL,
    sizes=(10_000,),
    idle_seconds=30,
    bursts=1,
    resume_streams=5_000,
    change_rates=(50,),
    change_seconds=20,
)

#: For each scenario its measured blocks, in order, and how often each does its work.
BLOCKS: tuple[tuple[Callable[[Bench], Figures], Mapping[str, int]], ...] = (
    (
        scenarios.idle_streams,
        {
            "connect": PLAN.sizes[-1],
            "heartbeat": round(PLAN.sizes[-1] * PLAN.idle_seconds / 30),
            "one of 10,000": PLAN.single_events,
            "to nobody": 1000,
        },
    ),
    (
        scenarios.fan_out,
        {
            "one of 1,000": PLAN.fan_streams * PLAN.fan_events,
            "burst": PLAN.fan_streams * our_servers.Ours.burst_events,
        },
    ),
    (scenarios.resume, {"resume": PLAN.resume_streams}),
    (changes.status_changes, {"change": PLAN.change_rates[0] * PLAN.change_seconds}),
)

#: The part that code belongs to, by its file. The innermost listed call counts, so
#: the time in a library is counted for the code that called it.
PARTS = {
    "notifications/access/auth.py": "token",
    "runtime/logs.py": "log lines",
    "logging/": "log lines",
    "notifications/entrance/door.py": "reading the request",
    "notifications/entrance/plain_request.py": "reading the request",
    "notifications/entrance/entrance.py": "opening the stream",
    "notifications/streams/service.py": "opening the stream",
    "notifications/streams/body.py": "opening the stream",
    "notifications/streams/admission.py": "opening the stream",
    "notifications/streams/open_streams.py": "opening the stream",
    "notifications/streams/socket_outlet.py": "writing",
    "gevent/_socketcommon.py": "writing",
    "notifications/streams/delivery.py": "delivering",
    "notifications/streams/upkeep.py": "heartbeats",
    "notifications/events.py": "wording and encoding",
    "notifications/messages.py": "wording and encoding",
    "notifications/publishing/notification_service.py": "wording and encoding",
    "notifications/brokers/": "history and fan-out",
    "notifications/refresh": "refreshes",
    "notifications/refresh/service.py": "refreshes",
    "notifications/refresh/batch.py": "refreshes",
    "waiter_service/outbox/rows.py": "outbox and relay",
    "waiter_service/relay": "outbox and relay",
    "waiter_service/outbox/claims.py": "outbox and relay",
    "waiter_service/outbox/announcer.py": "outbox and relay",
    "notifications/publishing/relay.py": "outbox and relay",
    "waiter_service/": "the change itself",
    "gunicorn/": "gunicorn and Flask",
    "flask/": "gunicorn and Flask",
    "gevent/": "event loop and greenlets",
}
OTHER = "other"

#: Microseconds of CPU, by part.
Split = dict[str, float]


def part_of(stack: str) -> str:
    """Return the part that a stack (``name (file:line);...``, outermost first) belongs to."""
    for call in reversed(stack.split(";")):
        for file, part in PARTS.items():
            if f"({file}" in call or f"/{file}" in call:
                return part
    return OTHER


@dataclass
class ProfiledBench(Bench):
    """A bench that samples its measured blocks, and keeps each block's split, in order."""

    py_spy: Path
    splits: list[Split] = field(default_factory=list)

    @contextmanager
    def cost(self) -> Iterator[Cost]:
        """Measure as usual, and split the CPU time of the worker."""
        by_name = _pids_by_name(self.server.pids())
        worker = by_name["worker"]
        raw = PEERS / "profile.raw"
        looking = subprocess.Popen(
            [
                *("taskset", "--cpu-list", str(GENERATOR_CORE), self.py_spy, "record"),
                *("--pid", str(worker[0]), "--rate", str(LOOKS_PER_SECOND)),
                *("--duration", "unlimited", "--format", "raw", "--output", raw),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.generator.command("idle 500")
        before = {name: processes.cpu_seconds(pids) for name, pids in by_name.items()}
        with super().cost() as cost:
            yield cost
        used = {
            name: 1e6 * (processes.cpu_seconds(pids) - before[name])
            for name, pids in by_name.items()
        }
        looking.send_signal(signal.SIGINT)
        looking.wait()
        looks: Counter[str] = Counter()
        for line in raw.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            looks[part_of(stack)] += int(count)
        split = {part: used["worker"] * n / looks.total() for part, n in looks.items()}
        self.splits.append(split | {name: us for name, us in used.items() if name != "worker"})


def _pids_by_name(pids: list[int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    gunicorns = []
    for pid in pids:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        if name == "gunicorn" or name.startswith("python"):
            gunicorns.append(pid)
        else:
            found.setdefault({"redis-server": "Redis", "postgres": "PostgreSQL"}[name], []).append(
                pid
            )
    # The master started first, so it has the lowest process id. It does nothing.
    return {"worker": [max(gunicorns)], **found}


def profile(server: our_servers.Ours, py_spy: Path) -> dict[str, Split]:
    """Run every hot path on ``server``; return each path's split for one unit of its work."""
    paths: dict[str, Split] = {}
    for scenario, blocks in BLOCKS:
        say(f"{server.label}: {', '.join(blocks)}")
        with Generator() as load:
            bench = ProfiledBench(server, load, PLAN, scenarios.Checks(), py_spy)
            try:
                server.start()
                scenario(bench)
            finally:
                server.stop()
        for (name, times), split in zip(blocks.items(), bench.splits, strict=True):
            paths[name] = {part: us / times for part, us in split.items()}
    return paths


def table(paths: Mapping[str, Split]) -> str:
    """Return a markdown table: a row per part, the most expensive first, a column per path."""
    shares: dict[str, float] = {}
    for split in paths.values():
        for part, us in split.items():
            shares[part] = shares.get(part, 0.0) + us / sum(split.values())
    lines = ["| us of CPU | " + " | ".join(paths) + " |", "|---" * (len(paths) + 1) + "|"]
    for part in sorted(shares, key=shares.__getitem__, reverse=True):
        cells = [split.get(part, 0) for split in paths.values()]
        lines.append(f"| {part} | " + " | ".join(map(_cell, cells)) + " |")
    sums = [sum(split.values()) for split in paths.values()]
    lines.append("| **all** | " + " | ".join(map(_cell, sums)) + " |")
    return "\n".join(lines)


def _cell(us: float) -> str:
    return f"{us:,.0f}" if us >= 10 else f"{us:.1f}" if us >= 0.05 else ""


def main() -> int:
    """Profile the service on SQLite and with Redis and PostgreSQL; print both tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.profile",
        description=__doc__,
        epilog="Takes five minutes. Root, or ptrace of one's own processes, is needed.",
    )
    servers = {cls.name: cls for cls in (our_servers.Ours, our_servers.OursWithServers)}
    parser.add_argument("--only", nargs="+", choices=servers, default=list(servers))
    arguments = parser.parse_args()
    PEERS.mkdir(exist_ok=True)
    generator.raise_file_limit()
    py_spy = install.venv("profile", HERE / "profile_requirements.txt") / "py-spy"
    for name in arguments.only:
        server = servers[name]()
        server.install()
        print(f"\n{server.label}\n\n{table(profile(server, py_spy))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
