"""Logs a failure that repeats: once when it begins, and once when it ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class RepeatedFailure:
    """Keeps a log readable while something that is tried several times a second fails.

    ``begins`` is logged with the traceback, once for each kind of exception until a
    try succeeds; then ``ends`` is logged. An exception among ``outages``, such as a
    server that is away, is a warning without a traceback.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        begins: str,
        ends: str,
        outages: tuple[type[Exception], ...] = (),
    ) -> None:
        self._logger = logger
        self._begins = begins
        self._ends = ends
        self._outages = outages
        self._kinds: set[type[Exception]] = set()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Run the body of the ``with``. An exception of it is logged and suppressed."""
        try:
            yield
        except Exception as failure:
            if type(failure) not in self._kinds:
                self._kinds.add(type(failure))
                fields = {"fields": {"error": str(failure)}}
                if isinstance(failure, self._outages):
                    self._logger.warning(self._begins, extra=fields)
                else:
                    self._logger.exception(self._begins, extra=fields)
        else:
            if self._kinds:
                self._kinds.clear()
                self._logger.info(self._ends)
