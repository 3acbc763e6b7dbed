"""Where the workers of one gunicorn keep their figures, so that any of them can tell the sum.

prometheus-client's multiprocess mode: with ``PROMETHEUS_MULTIPROC_DIR`` set
before it is imported, each process writes its metrics into files there,
mapped into memory.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_PREFIX = "restaurant-metrics-"


def is_used() -> bool:
    """Return whether this process shares its figures with others."""
    return VARIABLE in os.environ


def prepare(parent: str | None, *, workers: int) -> None:
    """Make an empty directory in ``parent`` for this master's workers, before the first is forked.

    None is the system's place for temporary files. Each master has a
    directory of its own, since two may run side by side, as in a restart by
    SIGUSR2; what a killed one has left behind is removed. A single worker
    needs none, and keeps its figures to itself.
    """
    os.environ.pop(VARIABLE, None)
    if workers == 1:
        return
    parent = parent or tempfile.gettempdir()
    for left in Path(parent).glob(f"{_PREFIX}*"):
        if not _is_running(left.name.removeprefix(_PREFIX).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    os.environ[VARIABLE] = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent)


def forget_worker(pid: int) -> None:
    """Drop the gauges of a worker that is dead, however it died.

    Its counters stay: what it has delivered has been delivered.
    """
    if is_used():
        # Not before it is needed: the master does well without the library.
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid)  # type: ignore[no-untyped-call]


def remove() -> None:
    """Remove the directory; the last worker has ended."""
    if is_used():
        shutil.rmtree(os.environ.pop(VARIABLE), ignore_errors=True)


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:  # it runs, as somebody else
        return True
    return True
