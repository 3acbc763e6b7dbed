"""Asking something that may hang, without hanging too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, cast

import gevent
from gevent.event import AsyncResult

T = TypeVar("T")

#: Seconds to wait for an answer. Databases and Redis answer in milliseconds; scrapers (10 s)
#: and orchestrators (1 s and more) must not give up on us meanwhile.
TIMEOUT_SECONDS = 1.0


class NoAnswer(Exception):
    """It did not answer in time."""


class Probe(Generic[T]):
    """Asks one question repeatedly, and waits at most ``timeout_seconds`` each time.

    ``ask`` runs in a greenlet of its own and is never interrupted: a greenlet that is killed
    inside a database call leaves its connection in an unknown state. While it hangs, later
    callers wait for that same answer, so a database that is away occupies one greenlet, not
    one more each second.
    """

    def __init__(self, ask: Callable[[], T], *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._ask = ask
        self._timeout_seconds = timeout_seconds
        self._under_way: AsyncResult[T] | None = None

    def answer(self) -> T:
        """Return what ``ask`` returns, or raise what it raises. Switches greenlets.

        Raises:
            NoAnswer: it did not answer in time.
        """
        asked = self._under_way
        if asked is None:
            asked = self._under_way = AsyncResult()
            gevent.spawn(self._run, asked)
        asked.wait(self._timeout_seconds)
        if not asked.ready():
            raise NoAnswer
        return cast("T", asked.get())

    def _run(self, asked: AsyncResult[T]) -> None:
        try:
            asked.set(self._ask())
        except Exception as error:  # noqa: BLE001 - it belongs to those who asked
            asked.set_exception(error)
        finally:
            self._under_way = None
