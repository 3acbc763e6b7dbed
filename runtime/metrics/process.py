"""What a process uses of its machine and of its database."""

from __future__ import annotations

import resource
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from waiter_service import Database

_PAGE_BYTES = resource.getpagesize()
_OWN = Path("/proc/self")


class ProcessFigures:
    """Memory, open files and database connections of this process; summed over workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def declare(self, registry: CollectorRegistry) -> None:
        """Create the metrics in ``registry``."""
        self._memory = Gauge(
            "restaurant_memory_bytes",
            "Resident memory, of all workers.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._files = Gauge(
            "restaurant_open_files",
            "Open files of the worker that has most.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._files_limit = Gauge(
            "restaurant_open_files_limit",
            "How many a worker may have.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._connections = Gauge(
            "restaurant_database_connections_in_use",
            "Connections to the database that calls use right now, of all workers.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._connections_limit = Gauge(
            "restaurant_database_connections_limit",
            "How many all workers may use at once; further calls wait.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def carry_over(self) -> None:
        """Read the current values. Never switches greenlets."""
        resident_pages = int((_OWN / "statm").read_bytes().split()[1])
        self._memory.set(resident_pages * _PAGE_BYTES)
        self._files.set(_open_files())
        self._files_limit.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        in_use, limit = self._database.pool_use()
        self._connections.set(in_use)
        self._connections_limit.set(limit)


def _open_files() -> int:
    # Since Linux 6.2 the directory's size is the number of entries. Listing 10,000 of them once
    # a second would take 3 ms each time.
    descriptors = _OWN / "fd"
    return descriptors.stat().st_size or sum(1 for _ in descriptors.iterdir())
