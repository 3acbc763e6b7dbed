"""The directory where gunicorn's workers keep their figures, so that any of them can sum them.

prometheus-client's multiprocess mode: with ``PROMETHEUS_MULTIPROC_DIR`` set before it is
imported, each process writes its metrics into files there, mapped into memory.
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


def path() -> Path:
    """Return the directory; only where one is used."""
    return Path(os.environ[VARIABLE])


def prepare(parent: str | None, *, workers: int) -> None:
    """Create an empty directory in ``parent`` for this master's workers, before it forks.

    None is the system's directory for temporary files. Each master has a directory of its own,
    since two may run side by side, as in a restart by SIGUSR2. Directories of killed masters are
    removed. A single worker needs none, and keeps its figures to itself.
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
    """Remove the gauges of a dead worker.

    Its counters stay: what it has delivered has been delivered.
    """
    if is_used():
        # Imported only when needed: the master otherwise does not use the library.
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid)  # type: ignore[no-untyped-call]


def remove() -> None:
    """Remove the directory, after the last worker has ended."""
    if is_used():
        shutil.rmtree(os.environ.pop(VARIABLE), ignore_errors=True)


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:  # it runs as another user
        return True
    return True
