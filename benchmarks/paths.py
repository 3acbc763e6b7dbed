"""Where things lie."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
#: Everything installed or built by the benchmarks; git ignores it.
PEERS = HERE / ".peers"
RESULTS = HERE / "results"
#: What a full run leaves for readers.
LATEST = ROOT / "docs" / "benchmarks.json"
TABLE = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "images" / "benchmarks.png"
