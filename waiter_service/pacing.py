"""Long work in short pieces, so that one caller's work does not delay everybody else's."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

#: Seconds that a pause sleeps. More than nothing: where gevent has patched ``time``,
#: ``sleep(0)`` only lets greenlets run that are ready, and the loop looks at its sockets
#: and timers after fifty of those; with four readers that took 200 ms. This is over when
#: the loop has looked, and costs it 2 us; unpatched, some 50 us.
PAUSE_SECONDS = 1e-9

#: Items between two pauses. The largest have 250 KB, so this is some 10 ms at worst.
ITEMS_AT_ONCE = 10


def pause() -> None:
    """Let everybody else have their turn, also what has just come in on a socket."""
    time.sleep(PAUSE_SECONDS)


def paced(items: Iterable[T], at_once: int = ITEMS_AT_ONCE) -> Iterator[T]:
    """Yield ``items``, with pauses in between."""
    for number, item in enumerate(items, 1):
        yield item
        if number % at_once == 0:
            pause()
