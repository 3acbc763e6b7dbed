"""Finding greenlets and receivers that a test left behind in this process."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

import gevent
from blinker import Signal
from gevent import Greenlet

from waiter_service import signals

# gevent reports every greenlet that is spawned. Asking the garbage collector
# for all objects instead costs 50 ms a test.
_spawned: WeakSet[Greenlet[..., object]] = WeakSet()
Greenlet.add_spawn_callback(_spawned.add)

GRACE_SECONDS = 2.0


def _receivers() -> set[tuple[str, int]]:
    return {
        (signal.name if hasattr(signal, "name") else repr(signal), receiver)
        for signal in vars(signals).values()
        if isinstance(signal, Signal)
        for receiver in list(signal.receivers)
    }


def _running() -> set[Greenlet[..., object]]:
    return {greenlet for greenlet in _spawned if not greenlet.dead}


@contextmanager
def nothing_left() -> Iterator[None]:
    """Fail when the block leaves receivers of the floor's signals or greenlets behind.

    Greenlets that are just ending get a moment to do so.
    """
    receivers_before, greenlets_before = _receivers(), _running()
    yield

    deadline = time.monotonic() + GRACE_SECONDS
    while (left := _running() - greenlets_before) and time.monotonic() < deadline:
        gevent.sleep(0.01)
    assert not left, f"greenlets still running: {left}"

    if _receivers() - receivers_before:
        # Receivers are held weakly: one whose owner is garbage disappears with it.
        gc.collect()
    forgotten = _receivers() - receivers_before
    assert not forgotten, f"receivers still connected: {sorted(name for name, _ in forgotten)}"
