# mypy: ignore-errors
# Runs in its own environment: matplotlib is nothing the service needs.
"""Draw a run's results: ``python plot.py results.json picture.png``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

OURS = "#c2410c"
PEER = "#64748b"


def panels(plan: dict) -> list[tuple[str, str]]:
    """Return each panel's title and figure, at the size that every server reaches."""
    size, crowd = plan["sizes"][-2], plan["fan_streams"]
    return [
        (f"Memory per idle stream,\n{size:,} open (KiB)", f"memory_kib@{size}"),
        ("CPU per connect (ms)", f"connect_cpu_ms@{size}"),
        (f"CPU per delivery, one event\nto {crowd:,} streams (us)", "fan_cpu_us"),
        (f"Latency p99, one event\nto {crowd:,} streams (ms)", "fan_p99_ms"),
        (f"CPU per event to\none of {size:,} streams (us)", f"one_of_cpu_us@{size}"),
        (f"Latency p99, one event\nto one of {size:,} (ms)", f"one_of_p99_ms@{size}"),
        (f"Last of {plan['storm_streams']:,} back\nafter a crash (s)", "restart_s"),
        ("Deliveries per second in\na burst (MORE is better)", "burst_per_s"),
    ]


def draw(results: dict, target: Path) -> None:
    """Draw one dot per server and panel, with the spread of the rounds, on log scales."""
    servers = dict(reversed(results["servers"].items()))
    figure, axes = plt.subplots(2, 4, figsize=(15, 7.5), sharey=True, layout="constrained")
    for axis, (title, name) in zip(axes.flat, panels(results["plan"]), strict=True):
        axis.set_xscale("log")
        for row, (key, server) in enumerate(servers.items()):
            _draw_one(axis, row, server["figures"].get(name), OURS if "ours" in key else PEER)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_yticks(range(len(servers)), [_short(s["label"]) for s in servers.values()])
        axis.set_ylim(-0.6, len(servers) - 0.4)
        axis.margins(x=0.2)
        axis.grid(axis="x", color="#e2e8f0")
        axis.set_axisbelow(True)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(labelsize=9, left=False)
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
        )
    rounds = results["plan"]["rounds"]
    figure.suptitle(
        f"One worker on one core, {results['measured_at'][:10]}: medians of {rounds} "
        f"round{'s' * (rounds > 1)}, lines from smallest to largest; log scales, left is better "
        "but for the burst. Ours with authentication and history, peers without.",
        fontsize=10,
        x=0.01,
        ha="left",
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)


def _draw_one(axis: plt.Axes, row: int, spread: dict | None, color: str) -> None:
    if not spread:
        across = axis.get_yaxis_transform()
        axis.text(0.02, row, "-", va="center", fontsize=9, color=PEER, transform=across)
        return
    middle = spread["median"]
    axis.plot([spread["min"], spread["max"]], [row, row], color=color, linewidth=2)
    axis.plot(middle, row, "o", color=color, markersize=8)
    text = f"{middle:,.0f}" if middle >= 100 else f"{middle:.3g}"
    axis.annotate(text, (middle, row), (0, 8), textcoords="offset points", ha="center", fontsize=8)


def _short(label: str) -> str:
    return label.partition(" (")[0].partition(" on ")[0]


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
