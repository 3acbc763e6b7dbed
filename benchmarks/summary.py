"""The README's short table: the figures behind the goals, only their medians."""

from __future__ import annotations

from benchmarks.results import Results
from benchmarks.table import number

#: Titles short enough for eight columns, and their figures.
ROWS = (
    ("memory per idle stream, 1,000 open (KiB)", "memory_kib@1000"),
    ("memory per idle stream, 10,000 open (KiB)", "memory_kib@10000"),
    ("CPU per connect, up to 10,000 (ms)", "connect_cpu_ms@10000"),
    ("CPU per connect that resumes (ms)", "resume_cpu_ms"),
    ("one event to 1,000 streams: CPU per delivery (us)", "fan_cpu_us"),
    ("the same: latency p50 (ms)", "fan_p50_ms"),
    ("the same: latency p99 (ms)", "fan_p99_ms"),
    ("one event to one of 100: CPU (us)", "one_of_cpu_us@100"),
    ("one event to one of 10,000: CPU (us)", "one_of_cpu_us@10000"),
    ("the same: latency p99 (ms)", "one_of_p99_ms@10000"),
    ("burst: deliveries per second", "burst_per_s"),
    ("5,000 clients back after a kill (s)", "restart_s"),
    ("50 status changes/s, commit to screen: p50 (ms)", "change_since_commit_p50_ms@50"),
    ("the same: p99 (ms)", "change_since_commit_p99_ms@50"),
    ("200 status changes/s wanted: reached", "change_reached_per_s@200"),
    ("the same, commit to screen: p50 (ms)", "change_since_commit_p50_ms@200"),
    ("the same: p99 (ms)", "change_since_commit_p99_ms@200"),
)

NAMES = {
    "ours": "ours",
    "ours_redis": "ours, Redis and PostgreSQL",
    "nchan": "nchan (C)",
    "sse_starlette": "sse-starlette",
    "better_sse": "better-sse",
    "nestjs": "NestJS",
    "flask_sse": "flask-sse",
    "django_eventstream": "django-eventstream",
}


def markdown(results: Results) -> str:
    """Return the table."""
    servers = results["servers"]
    lines = [
        "| | " + " | ".join(NAMES[name] for name in servers) + " |",
        "|---" * (len(servers) + 1) + "|",
    ]
    for title, figure in ROWS:
        found = [server["figures"].get(figure) for server in servers.values()]
        cells = [number(spread["median"]) if spread else "-" for spread in found]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
