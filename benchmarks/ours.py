"""Our service as it is deployed, with two more routes that cause events.

gunicorn serves ``benchmarks.ours:app`` instead of ``wsgi:app``; the rest is the
project's own. No route of the service publishes arbitrary events, so the streams'
figures need ``POST /publish``. ``POST /changes`` changes orders' statuses through the
waiter service and its database, as the API does.
"""

from __future__ import annotations

import time
from pathlib import Path

from wsgi import app  # isort: skip  # monkey-patches: before all else

import gevent
from flask import request

#: The statuses of an order, one change each.
_STATUSES = ("Acknowledged", "InProgress", "Complete", "Delivered", "Paid")

#: Channels with this prefix are tables; all others are waiters'.
_TABLE_PREFIXES = ("fan-", "floor-")


def _wait_until(due: float) -> None:
    gevent.sleep(max(0.0, due - time.monotonic()))


@app.post("/publish")
def publish() -> dict[str, float]:
    """Notify the channels in turn; the arguments are those of the peers."""
    notify = app.extensions["notifications"].notify_order_update
    ask = request.args
    prefix, channels = ask["prefix"], int(ask["channels"])
    first, count, rate = int(ask["first"]), int(ask["count"]), float(ask["rate"])
    is_table = prefix in _TABLE_PREFIXES
    began = time.monotonic()
    for k in range(first, first + count):
        if rate:
            _wait_until(began + (k - first) / rate)
        channel = f"{prefix}{k % channels}"
        notify(
            session_id=channel if is_table else "session-123",
            waiter_id="waiter-456" if is_table else channel,
            order_id=f"bench.{k:010d}.{time.monotonic_ns():019d}",
            table_number=5,
            status="Complete",
            previous_status="InProgress",
            item_count=3,
            version=4,
        )
    return {"sent": count, "elapsed_ms": (time.monotonic() - began) * 1000}


@app.post("/floor")
def set_the_floor() -> dict[str, int]:
    """Open ``sessions`` tables ``floor-<n>`` with an order each, shared by ``waiters`` waiters."""
    service = app.extensions["waiter_service"]
    sessions, waiters = int(request.args["sessions"]), int(request.args["waiters"])
    for w in range(waiters):
        service.add_waiter(f"staff-{w}", f"Waiter {w}")
    for s in range(sessions):
        service.open_session(s + 1, f"staff-{s % waiters}", session_id=f"floor-{s}")
        service.place_order(f"floor-{s}", [{"name": "Pizza", "quantity": 3}], order_id=f"order-{s}")
    return {"sessions": sessions}


@app.post("/changes")
def change_orders() -> dict[str, float]:
    """Change the orders' statuses, ``rate`` a second; log when each change began and was committed.

    ``first`` is the number of the first change, counted since the floor was set up. Each line
    of ``log`` is one change: order, version, nanoseconds at the call and right after the
    commit, before it is announced.
    """
    service = app.extensions["waiter_service"]
    ask = request.args
    sessions, rate = int(ask["sessions"]), float(ask["rate"])
    first, count = int(ask["first"]), int(ask["count"])
    announce, committed_ns, lines = service.on_commit, [0], []

    def note_commit(changes: tuple[object, ...]) -> None:
        committed_ns[0] = time.monotonic_ns()
        announce(changes)

    service.on_commit = note_commit
    began = time.monotonic()
    try:
        for k in range(first, first + count):
            _wait_until(began + (k - first) / rate)
            called_ns = time.monotonic_ns()
            order_id = f"order-{k % sessions}"
            update = service.update_order_status(order_id, _STATUSES[k // sessions])
            lines.append(f"{order_id}\t{update.version}\t{called_ns}\t{committed_ns[0]}\n")
    finally:
        service.on_commit = announce
    elapsed_ms = (time.monotonic() - began) * 1000
    Path(ask["log"]).write_text("".join(lines))
    return {"changed": count, "elapsed_ms": elapsed_ms}
