"""Measures how long others wait at most while one bearer attacks.

``python -m tests.support.bystander PORT SECONDS GUEST WAITER MASTER ENGINE...``: the tokens of
the guest at table 9 and of ben, and process ids: of gunicorn's master, and of each engine
that its workers wait for. Prints ``[seconds, "what was awaited"]``.

The wait does not include the time in which this process, the worker that answers or an engine
is ready to run and the machine gives it no processor. This is a process of its own, so that the
threads of the tests do not delay it.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import sys
import time
from collections.abc import Iterable

from tests.support.processor_time import starved_seconds
from tests.support.programs import children_of, server_of

WATER = json.dumps({"kind": "water"})
PAUSE_SECONDS = 0.02


def main() -> None:
    port, seconds, guest, waiter, *pids = sys.argv[1:]
    master, *engines = map(int, pids)
    calls = [
        ("GET", "/api/sessions/table-9", guest, None),
        ("GET", "/api/waiters/ben/floor", waiter, None),
        ("POST", "/api/sessions/table-9/requests", guest, WATER),
        ("POST", "/sse/token", waiter, None),
        ("GET", "/health/live", "", None),
    ]
    longest, ends_at = (0.0, ""), time.monotonic() + float(seconds)
    for method, path, token, body in itertools.cycle(calls):
        if time.monotonic() > ends_at:
            break
        workers = children_of(master)
        behind = [each for pid in engines for each in (pid, *children_of(pid))]
        before = {pid: starved_seconds(pid) for pid in (*workers, *behind)}
        own = starved_seconds(os.getpid())
        started = time.monotonic()
        # A new connection each time: that it is accepted is part of what others wait for.
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        waited = time.monotonic() - started - (starved_seconds(os.getpid()) - own)
        assert answer.status < 300, f"{method} {path}: {answer.status} {text!r}"
        served_by = server_of(connection.sock, workers)
        waited -= _most_starved([served_by], before)
        waited -= _most_starved(behind, before)
        connection.close()
        longest = max(longest, (waited, f"{method} {path}"))
        time.sleep(PAUSE_SECONDS)
    print(json.dumps(longest))  # noqa: T201


def _most_starved(pids: Iterable[int], before: dict[int, float]) -> float:
    """Return for how long that of ``pids`` waited for a processor that waited longest."""
    return max((starved_seconds(pid) - before[pid] for pid in pids), default=0.0)


if __name__ == "__main__":
    main()
