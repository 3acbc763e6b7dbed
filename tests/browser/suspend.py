"""Suspending a whole browser, as a locked phone does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.programs import children_of


@contextmanager
def asleep() -> Iterator[None]:
    """Suspend all processes of this test's browser, and resume them afterwards.

    While suspended, nothing in it runs, including its network. Do not call the browser
        inside the block: it would not answer.
    """
    browsers = [pid for pid in _descendants(os.getpid()) if _is_chromium(pid)]
    assert browsers, "no browser is running"
    for pid in browsers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in browsers:
            os.kill(pid, signal.SIGCONT)


def _descendants(pid: int) -> Iterator[int]:
    try:
        children = children_of(pid)
    except OSError:
        return  # the process has just ended
    for child in children:
        yield child
        yield from _descendants(child)


def _is_chromium(pid: int) -> bool:
    try:
        return "chrom" in Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return False
