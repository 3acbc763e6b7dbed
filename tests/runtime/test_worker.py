"""The start of a worker: when it waits, and when it gives up."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config

from runtime import worker as worker_module
from runtime.shared_state import SharedState
from runtime.worker import StreamWorker
from waiter_service.errors import DatabaseUnavailable


class Database:
    """Stands in for ``Serving``, with a database that is unavailable a given number of times."""

    def __init__(self, *, times_away: int) -> None:
        self.is_serving = False
        self._times_away = times_away

    def start(self) -> None:
        if self._times_away:
            self._times_away -= 1
            raise DatabaseUnavailable("the database went away")
        self.is_serving = True


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Database]:
    """Start one of two workers: ``boot(age, times_away=1)``."""
    monkeypatch.setattr(StreamWorker, "shared", SharedState())
    monkeypatch.setattr(worker_module, "RETRY_SECONDS", 0.0)
    config = Config()
    config.set("workers", 2)
    log = logging.getLogger("worker")

    def start(age: int, *, times_away: int) -> Database:
        database = Database(times_away=times_away)
        worker = StreamWorker(age, os.getppid(), [], None, 30, config, log)  # type: ignore[arg-type]
        worker.wsgi = SimpleNamespace(extensions={"serving": database})
        try:
            worker._start_serving()
        finally:
            worker.tmp.close()
        return database

    return start


def test_first_worker_gives_up_only_until_another_has_served(
    boot: Callable[..., Database],
) -> None:
    with pytest.raises(SystemExit) as end:
        boot(1, times_away=1)
    assert end.value.code == Arbiter.WORKER_BOOT_ERROR
    boot(1, times_away=0)

    assert boot(2, times_away=1).is_serving


def test_replacement_waits_for_the_database(boot: Callable[..., Database]) -> None:
    assert boot(3, times_away=2).is_serving
