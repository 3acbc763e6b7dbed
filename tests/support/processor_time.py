"""The time for which a process was ready to run but waited for a processor."""

from __future__ import annotations

from pathlib import Path

_NANOSECONDS = 1e-9


def starved_seconds(pid: int) -> float:
    """Return for how long the main thread of ``pid`` has waited for a processor so far.

    On a busy machine this is most of a call's duration, and not the service's fault.
    The kernel's second figure of three; 0.0 where it keeps none.
    """
    try:
        figures = Path(f"/proc/{pid}/schedstat").read_text().split()
    except FileNotFoundError:
        return 0.0
    return int(figures[1]) * _NANOSECONDS
