"""One markdown table: a row per figure, a column per server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.results import Results


def rows(plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each row's title and the name of its figure."""
    middle, large = plan["sizes"][-2:]
    for size in (middle, large):
        yield f"memory per idle stream, {size:,} open (KiB)", f"memory_kib@{size}"
    further = f"memory per further idle stream, from {middle:,} to {large:,} (KiB)"
    yield further, f"memory_further_kib@{large}"
    yield f"CPU while {large:,} are idle (% of the core)", f"idle_cpu_percent@{large}"
    for size in (middle, large):
        yield f"CPU per connect, up to {size:,} (ms)", f"connect_cpu_ms@{size}"
    yield f"time per connect, 64 at once, up to {large:,} (ms)", f"connect_wall_ms@{large}"
    yield "CPU per connect that resumes, 3 events missed (ms)", "resume_cpu_ms"
    yield "time per connect that resumes (ms)", "resume_wall_ms"
    crowd = f"one event to {plan['fan_streams']:,} streams, {plan['fan_rate']:g}/s"
    yield f"{crowd}: CPU per delivery (us)", "fan_cpu_us"
    yield f"{crowd}: latency p50 (ms)", "fan_p50_ms"
    yield f"{crowd}: latency p99 (ms)", "fan_p99_ms"
    for size in plan["sizes"]:
        one = f"one event to one of {size:,}, {plan['single_rate']:,g}/s"
        yield f"{one}: CPU per event (us)", f"one_of_cpu_us@{size}"
        if size != plan["sizes"][0]:
            yield f"{one}: latency p50 (ms)", f"one_of_p50_ms@{size}"
            yield f"{one}: latency p99 (ms)", f"one_of_p99_ms@{size}"
            yield f"{one}: rate reached (/s)", f"one_of_reached_per_s@{size}"
    yield "the same to nobody: CPU per event (us)", "publish_alone_cpu_us"
    yield f"burst to {plan['fan_streams']:,} streams: deliveries per second", "burst_per_s"
    yield f"last of {plan['storm_streams']:,} back after the worker's kill (s)", "restart_s"
    for rate in plan["change_rates"]:
        change = f"status change to screen, {rate}/s"
        yield f"{change}: rate reached (/s)", f"change_reached_per_s@{rate}"
        yield f"{change}, from the call: p50 (ms)", f"change_p50_ms@{rate}"
        yield f"{change}, from the call: p99 (ms)", f"change_p99_ms@{rate}"
        yield f"{change}, from the commit: p50 (ms)", f"change_since_commit_p50_ms@{rate}"
        yield f"{change}, from the commit: p99 (ms)", f"change_since_commit_p99_ms@{rate}"
        yield f"{change}: CPU per change (ms)", f"change_cpu_ms@{rate}"


def markdown(results: Results) -> str:
    """Return the table and, below it, the facts that a reader needs."""
    servers = results["servers"]
    lines = [
        "| | " + " | ".join(server["label"] for server in servers.values()) + " |",
        "|---" * (len(servers) + 1) + "|",
    ]
    for title, name in rows(results["plan"]):
        cells = [_cell(server["figures"].get(name)) for server in servers.values()]
        if any(cell != "-" for cell in cells):
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    lines.append("| deliveries checked | " + " | ".join(map(_checked, servers.values())) + " |")
    lines.append(
        "| lost / double / out of order | " + " | ".join(map(_wrong, servers.values())) + " |"
    )
    return "\n".join([*lines, "", *_below(results)])


def _cell(spread: Mapping[str, float] | None) -> str:
    if not spread:
        return "-"
    text = number(spread["median"])
    if spread["rounds"] > 1:
        text += f" ({number(spread['min'])}-{number(spread['max'])})"
    return text


def number(value: float) -> str:
    """Return the number with three significant digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _checked(server: Mapping[str, Any]) -> str:
    return f"{server['checks']['expected']:,}"


def _wrong(server: Mapping[str, Any]) -> str:
    checks = server["checks"]
    duplicates = checks["duplicates"] + checks["unexpected"]
    return f"{checks['lost']:,} / {duplicates:,} / {checks['out_of_order']:,}"


def _below(results: Results) -> Iterator[str]:
    machine, plan = results["machine"], results["plan"]
    ceiling = results["generator_deliveries_per_s"]
    yield (
        f"Median (smallest-largest) of {plan['rounds']} alternating rounds; one worker on one "
        f"core of a virtual machine ({machine['processor']}, Linux {machine['kernel']}, Python "
        f"{machine['python']}, Node {machine['node']}, nginx {machine['nginx']}), the load on "
        f"another. Events of about 300 bytes. Compare within this table, not with other runs."
    )
    if ceiling:
        yield (
            f"The generator's own ceiling: {ceiling['one_per_write']:,.0f} deliveries per second "
            f"when each comes alone, {ceiling['fifty_per_write']:,.0f} when fifty come together."
        )
    yield ""
    for server in results["servers"].values():
        facts = [*server["notes"], *(f"FAILED: {failure}" for failure in server["failures"])]
        facts.append(
            f"generator busy {server['generator_busy']:.0%} at most, others used "
            f"{server['core_used_by_others']:.0%} of the core"
        )
        yield f"- {server['label']}: {'; '.join(facts)}."
