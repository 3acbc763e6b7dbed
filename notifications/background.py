"""Work that runs beside the requests, in one greenlet that ends when asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event as Flag

#: Seconds that a round in progress may take to end.
STOP_SECONDS = 5.0


class Background:
    """Runs ``run`` in a greenlet of its own, from ``start`` to ``stop``.

    ``run`` loops for as long as :meth:`wait` returns True. It is asked to end, never killed:
    a greenlet that is killed inside a database call leaves its connection in an unknown state.
    """

    def __init__(self, run: Callable[[], object], *, stop_seconds: float = STOP_SECONDS) -> None:
        self._run = run
        self._stop_seconds = stop_seconds
        self._wakeup = Flag()
        self._is_stopping = False
        self._greenlet: gevent.Greenlet[..., Any] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._greenlet is not None

    def start(self) -> None:
        """Begin. Idempotent."""
        if self._greenlet is None:
            self._is_stopping = False
            self._greenlet = gevent.spawn(self._run)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for ``seconds``, or until :meth:`wake`; return False once ``run`` must end."""
        if not self._is_stopping:
            self._wakeup.wait(seconds)
            self._wakeup.clear()
        return not self._is_stopping

    def wake(self) -> None:
        """End the current wait, or the next one if there is none. Never switches greenlets."""
        self._wakeup.set()

    def stop(self) -> None:
        """Ask ``run`` to end, and wait until it has. Idempotent; switches greenlets."""
        if self._greenlet is not None:
            self._is_stopping = True
            self._wakeup.set()
            self._greenlet.join(timeout=self._stop_seconds)
            self._greenlet = None
