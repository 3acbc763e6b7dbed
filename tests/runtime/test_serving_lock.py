"""One process at a time serves a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.serving_lock import ServingLock


@pytest.fixture
def make_lock(tmp_path: Path) -> Iterator[Callable[..., ServingLock]]:
    """A lock of the files named, in one folder: ``make_lock("history", "database")``."""
    locks = []

    def make(*names: str) -> ServingLock:
        locks.append(ServingLock([tmp_path / name for name in names]))
        return locks[-1]

    yield make
    for lock in locks:
        lock.release()


def test_lock_passes_to_the_one_that_waits_once_its_holder_releases_it(
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


def test_holder_is_told_of_nobody_once_the_one_that_waited_is_gone(
    make_lock: Callable[..., ServingLock],
) -> None:
    first, second = make_lock("history"), make_lock("history")
    first.acquire()
    second.acquire()
    second.release()
    assert not first.is_awaited()


def test_one_that_gets_a_part_of_what_it_needs_keeps_nothing_of_it(
    make_lock: Callable[..., ServingLock],
) -> None:
    holder = make_lock("database")
    holder.acquire()
    waiting = make_lock("history", "database")
    assert not waiting.acquire()
    assert holder.is_awaited()
    assert make_lock("history").acquire(), "nobody has that one"
