"""The paths that the benchmarks use."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
#: Everything that the benchmarks install or build; git ignores it.
PEERS = HERE / ".peers"
RESULTS = HERE / "results"
#: The results of a full run, for readers.
LATEST = ROOT / "docs" / "benchmarks.json"
TABLE = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "images" / "benchmarks.png"
