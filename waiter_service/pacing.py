"""Pauses in long work, so that one caller's work does not delay the others'."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

#: Seconds that a pause sleeps. Not 0: where gevent has patched ``time``, ``sleep(0)`` only
#: runs greenlets that are ready, and the loop checks its sockets and timers after fifty such
#: switches; with four readers that took 200 ms. This pause ends when the loop has checked
#: them. It costs 2 us, or some 50 us where ``time`` is not patched.
PAUSE_SECONDS = 1e-9

#: Items between two pauses. The largest items have 250 KB: at worst 10 ms of work.
ITEMS_AT_ONCE = 10


def pause() -> None:
    """Let other greenlets run, including those whose sockets have just become ready."""
    time.sleep(PAUSE_SECONDS)


def paced(items: Iterable[T], at_once: int = ITEMS_AT_ONCE) -> Iterator[T]:
    """Yield ``items``, with pauses in between."""
    for number, item in enumerate(items, 1):
        yield item
        if number % at_once == 0:
            pause()
