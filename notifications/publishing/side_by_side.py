"""Announcing to a broker that keeps its caller waiting: several at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gevent.pool import Pool

#: Announcements under way at once. Their commands travel together; more would only
#: make each take longer.
MAX_SIDE_BY_SIDE = 8


def side_by_side(tasks: Sequence[Callable[[], None]]) -> None:
    """Carry out ``tasks``, some at once, each in a greenlet; raise what the first to fail raised.

    All have ended by then, unless the caller was killed: then they end by themselves.
    """
    if len(tasks) == 1:
        tasks[0]()
        return
    failures = [
        failure
        for failure in Pool(MAX_SIDE_BY_SIDE).imap_unordered(_failure_of, tasks)
        if failure is not None
    ]
    if failures:
        raise failures[0]


def _failure_of(task: Callable[[], None]) -> Exception | None:
    # What a greenlet raises, gevent prints; whoever called us says it once.
    try:
        task()
    except Exception as error:  # noqa: BLE001 - raised again by side_by_side
        return error
    return None
