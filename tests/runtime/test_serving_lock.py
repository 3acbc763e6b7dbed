"""Only one process at a time serves a directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.serving_lock import ServingLock


@pytest.fixture
def make_lock(tmp_path: Path) -> Iterator[Callable[..., ServingLock]]:
    """Make a lock of the named files in one directory: ``make_lock("history", "database")``."""
    locks = []

    def make(*names: str) -> ServingLock:
        locks.append(ServingLock([tmp_path / name for name in names]))
        return locks[-1]

    yield make
    for lock in locks:
        lock.release()


def test_the_lock_passes_to_a_waiting_process_when_its_holder_releases_it(
    make_lock: Callable[..., ServingLock],
) -> None:
    first, second, third = (make_lock("history") for _ in range(3))
    assert first.acquire()
    assert first.acquire(), "it has it already"
    assert not first.is_awaited()

    assert not second.acquire()
    assert not third.acquire()
    assert first.is_awaited()

    first.release()
    assert second.acquire()
    assert not third.acquire()
    assert second.is_awaited()


def test_the_holder_sees_no_successor_once_the_waiting_process_has_ended(
    make_lock: Callable[..., ServingLock],
) -> None:
    first, second = make_lock("history"), make_lock("history")
    first.acquire()
    second.acquire()
    second.release()
    assert not first.is_awaited()


def test_a_process_that_gets_only_some_locks_releases_them(
    make_lock: Callable[..., ServingLock],
) -> None:
    holder = make_lock("database")
    holder.acquire()
    waiting = make_lock("history", "database")
    assert not waiting.acquire()
    assert holder.is_awaited()
    assert make_lock("history").acquire(), "that lock is free"
