"""Joins the results of all rounds: medians, their spread, and failures."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.plan import Plan
from benchmarks.run import Outcome

#: A whole run as plain JSON: ``servers`` by name, in the order measured.
Results = dict[str, Any]


def collect(outcomes: Sequence[Outcome], plan: Plan, ceiling: dict[str, float]) -> Results:
    """Join the rounds of each server."""
    by_name: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_name.setdefault(outcome.server.name, []).append(outcome)
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "plan": dataclasses.asdict(plan),
        "generator_deliveries_per_s": ceiling,
        "servers": {name: _joined(rounds) for name, rounds in by_name.items()},
    }


def _joined(rounds: Sequence[Outcome]) -> dict[str, Any]:
    server = rounds[0].server
    names = sorted({name for outcome in rounds for name in outcome.figures})
    checks = [outcome.checks for outcome in rounds]
    counted = ("expected", "lost", "duplicates", "out_of_order", "unexpected")
    return {
        "label": server.label,
        "notes": list(server.notes),
        "figures": {
            name: _spread([o.figures[name] for o in rounds if name in o.figures]) for name in names
        },
        "checks": {name: sum(getattr(check, name) for check in checks) for name in counted},
        "failures": sorted({failure for check in checks for failure in check.failures}),
        "generator_busy": round(max(check.generator_busy for check in checks), 2),
        "core_used_by_others": round(max(outcome.disturbance for outcome in rounds), 2),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return {}
    return {
        "median": float(f"{statistics.median(known):.6g}"),
        "min": float(f"{min(known):.6g}"),
        "max": float(f"{max(known):.6g}"),
        "rounds": len(known),
    }


def _machine() -> dict[str, Any]:
    processor = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    return {
        "processor": processor or platform.machine(),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "node": _first_line("node", "--version"),
        "nginx": _first_line("/usr/sbin/nginx", "-v").rpartition("/")[2],
    }


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return next(iter((done.stdout + done.stderr).splitlines()), "")


def save(results: Results, path: Path) -> None:
    """Write ``results`` as JSON."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
