"""Asking something that may hang, without hanging along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, cast

import gevent
from gevent.event import AsyncResult

T = TypeVar("T")

#: Seconds to wait for an answer. Databases and Redis answer in milliseconds; a
#: scraper (10 s) and an orchestrator (1 s and up) must not give us up meanwhile.
TIMEOUT_SECONDS = 1.0


class NoAnswer(Exception):
    """It did not answer in time."""


class Probe(Generic[T]):
    """Asks one question, again and again, and waits at most ``timeout_seconds`` each time.

    ``ask`` runs in a greenlet of its own and is never interrupted: one that
    is ended within a database call leaves its connection in no known state.
    While it hangs, whoever asks too waits for that same answer, so a
    database that is away gathers one greenlet, not one a second.
    """

    def __init__(self, ask: Callable[[], T], *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._ask = ask
        self._timeout_seconds = timeout_seconds
        self._under_way: AsyncResult[T] | None = None

    def answer(self) -> T:
        """Return what ``ask`` returns, or raise what it raises. Switches greenlets.

        Raises:
            NoAnswer: not in time.
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
