"""Measure how long each list takes with a year of data: ``python -m benchmarks.lists``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import year
from waiter_service import SYSTEM, Actor, Database, FloorQueries

SESSIONS = 100_000
RUNS = 21
GOAL_MS = 20

READERS = {
    "all venues": SYSTEM,
    "manager": Actor.manager("mia"),
    "waiter": Actor.waiter("main-3"),
}
Case = tuple[str, Callable[[], object]]


def cases(queries: FloorQueries) -> Iterator[Case]:
    """Yield each list with each of its filters, for each kind of reader, with its name."""
    [session] = queries.sessions(limit=1, waiter_id="main-3").sessions
    tickets: list[dict[str, Any]] = [
        {},
        {"older_than_seconds": 600},
        {"older_than_seconds": 300 * 86_400},
        {"session_id": session.id},
        {"venue_id": "main"},
        {"venue_id": "north"},
    ]
    requests = [{"status": each} for each in ("New", "OnHold", "Completed", "Done", "Cancelled")]
    orders = [{"status": each} for each in ("New", "Complete", "Delivered", "Paid", "Rejected")]
    of_sessions: list[dict[str, Any]] = [
        {},
        {"table_number": 7},
        {"table_number": 9_999},
        {"waiter_id": "main-3"},
        {"waiter_id": "main-3", "table_number": 7},
        {"venue_id": "north"},
        {"venue_id": "north", "table_number": 7},
    ]
    lists: dict[str, tuple[Callable[..., Any], list[dict[str, Any]]]] = {
        "venues": (queries.venues, [{}]),
        "waiters": (queries.waiters, [{}, {"on_shift": True}, {"venue_id": "north"}]),
        "sessions": (
            queries.sessions,
            [{"is_open": each} | more for each in (True, False, None) for more in of_sessions],
        ),
        "requests": (queries.requests, [{**a, **b} for a, b in product([{}, *requests], tickets)]),
        "orders": (queries.orders, [{**a, **b} for a, b in product([{}, *orders], tickets)]),
        "audit": (partial(queries.session_audit, session.id), [{}]),
    }
    for name, (read, combinations) in lists.items():
        for (reader, actor), filters in product(READERS.items(), combinations):
            named = " ".join(f"{key}={value}" for key, value in filters.items())
            call = partial(read, actor=actor, **filters)
            yield f"{name} | {reader} | {named}", call
            if (following := call().next) is not None:
                yield f"{name} | {reader} | {named} (next page)", partial(call, cursor=following)


def measure(call: Callable[[], object]) -> float:
    """Return the median of its milliseconds."""
    call()
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    return median(taken)


def main() -> int:
    """Fill the database, measure, print the figures; 1 if a list takes longer than the goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lists", description=__doc__)
    parser.add_argument(
        "--database",
        metavar="URL",
        help="an empty database, or one that was filled by this before; default: a new SQLite file",
    )
    parser.add_argument("--sessions", type=int, default=SESSIONS, help=f"default: {SESSIONS}")
    parser.add_argument("--slowest", type=int, default=15, help="how many to print; default: 15")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        database = Database(arguments.database or f"sqlite:///{Path(directory) / 'year.db'}")
        database.upgrade()
        queries = FloorQueries(database)
        if not queries.sessions(is_open=None, limit=1).sessions:
            began = time.perf_counter()
            year.fill(database, arguments.sessions, progress=_say)
            print(f"\nfilled in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        found = [(measure(call), name) for name, call in cases(queries)]
        database.dispose()
    found.sort(reverse=True)
    for taken, name in found[: arguments.slowest]:
        print(f"{taken:6.1f} ms  {name}")
    print(f"{len(found)} lists; the median of all is {median(each for each, _ in found):.1f} ms")
    return int(found[0][0] > GOAL_MS)


def _say(done: int, total: int) -> None:
    print(f"\r{done:,} of {total:,} sessions", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
