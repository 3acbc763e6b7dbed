"""Writes log lines from a separate thread, so that no greenlet waits for the reader of the log.

stderr is a pipe or a socket to systemd, a container's runtime or a terminal. When its reader
stops, a write to it blocks, and with it the event loop and every stream. So the process only
puts a line into a bounded queue, and a thread writes it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

from gevent.monkey import get_original

#: Lines that may wait for the thread. At 250 bytes a line, 2.5 MB: what a storm of reconnects
#: logs in a second or two. A guess.
MAX_WAITING_LINES = 10_000

#: Seconds for which the thread gathers lines before it writes them: at most fifty writes a
#: second. Each time the thread wakes up, it competes with the event loop.
GATHER_SECONDS = 0.02

#: Lines written at once: up to 50,000 a second.
_MAX_BATCH_LINES = 1000

#: Bytes that the kernel writes whole or not at all if several processes write to one pipe
#: (PIPE_BUF on Linux), so that lines of two workers do not mix.
_PIECE_BYTES = 4096

#: Seconds between two attempts if stderr refuses instead of blocking.
_RETRY_SECONDS = 0.05

#: Seconds that a process waits at its end for its last lines to be written.
FLUSH_SECONDS = 2.0

DescribeLoss = Callable[[int], str]
"""Makes the line that reports a number of lost lines."""


class LogWriter:
    """Writes lines to the descriptor ``fd`` without ever making the caller wait.

    The thread starts with the first line in a process. A process that forks keeps its thread,
    and its child begins with an empty queue. Beyond ``max_lines``, lines are dropped and
    counted. When writing continues, the line that ``describe_loss`` makes reports how many
    were lost.

    The thread shares no lock with the rest of the process except those inside a C queue. gevent
    replaces locks, queues and threads by ones that switch greenlets, which only works in
    the thread of the event loop. So the thread uses only the original ones.
    """

    def __init__(
        self,
        fd: int = 2,
        *,
        describe_loss: DescribeLoss = "{} log lines lost".format,
        max_lines: int = MAX_WAITING_LINES,
    ) -> None:
        self.describe_loss = describe_loss
        self._fd = fd
        self._max_lines = max_lines
        # Each is counted by one thread: the caller's, and the writer's.
        self._unqueued = 0
        self._unwritten = 0
        self._queue: Any = None
        self._is_hooked = False

    @property
    def dropped(self) -> int:
        """How many lines this process has lost."""
        return self._unqueued + self._unwritten

    def write(self, line: str) -> None:
        """Queue ``line``, or drop it if too many wait. Does not switch greenlets."""
        if self._queue is None:
            self._start()
        if self._queue.qsize() >= self._max_lines:
            self._unqueued += 1
        else:
            self._queue.put(line)

    def flush(self, timeout_seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all queued lines are written; return whether they were.

        Blocks the whole process: for use at its end.
        """
        if self._queue is None:
            return True
        written = get_original("_thread", "allocate_lock")()
        written.acquire()
        self._queue.put(written)
        return bool(written.acquire(timeout=timeout_seconds))

    def _start(self) -> None:
        if not self._is_hooked:
            self._is_hooked = True
            os.register_at_fork(after_in_child=self._forget_parent)
        self._queue = get_original("queue", "SimpleQueue")()
        get_original("_thread", "start_new_thread")(
            self._run, (self._queue, get_original("time", "sleep"))
        )

    def _forget_parent(self) -> None:
        # The child does not have the parent's thread, which writes the lines in its own queue.
        self._queue = None
        self._unqueued = self._unwritten = 0

    # -- in the thread --------------------------------------------------------

    def _run(self, queue: Any, sleep: Callable[[float], None]) -> None:
        told = 0
        while True:
            batch = [queue.get()]
            sleep(GATHER_SECONDS)
            # Only this thread takes from the queue.
            batch += [queue.get() for _ in range(min(queue.qsize(), _MAX_BATCH_LINES))]
            lines = [each for each in batch if isinstance(each, str)]
            if not self._write(lines, sleep):
                self._unwritten += len(lines)
            elif (dropped := self.dropped) > told and self._write(
                [self.describe_loss(dropped - told)], sleep
            ):
                told = dropped
            for each in batch:
                if not isinstance(each, str):
                    each.release()

    def _write(self, lines: list[str], sleep: Callable[[float], None]) -> bool:
        """Write ``lines``; return False if stderr can no longer be written to."""
        try:
            for piece in _pieces(lines):
                rest = memoryview(piece)
                while rest:
                    try:
                        rest = rest[os.write(self._fd, rest) :]
                    except BlockingIOError:
                        # The parent process shares a pipe that does not block.
                        sleep(_RETRY_SECONDS)
        except OSError:
            # The reader is gone, or the disk is full. There is no place left to report it.
            return False
        return True


def _pieces(lines: list[str]) -> list[bytes]:
    """Return ``lines`` joined into pieces that the kernel writes whole."""
    pieces = [bytearray()]
    for line in lines:
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        if pieces[-1] and len(pieces[-1]) + len(data) > _PIECE_BYTES:
            pieces.append(bytearray())
        pieces[-1] += data
    return [bytes(piece) for piece in pieces if piece]


class LineStream(io.TextIOBase):
    """Stands in for ``sys.stderr``: passes printed text to ``write_line``, line by line.

    gevent prints the tracebacks of greenlets, and Python prints fatal errors. Printed to a full
    pipe, they would block like any other line.
    """

    def __init__(self, write_line: Callable[[str], None], fd: int = 2) -> None:
        self._write_line = write_line
        self._fd = fd
        self._begun = ""

    def write(self, text: str) -> int:
        """Take ``text``; pass on each line once it is complete."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._write_line(line)
        return len(text)

    def flush(self) -> None:
        """Pass on a line that has not ended yet."""
        if self._begun:
            line, self._begun = self._begun, ""
            self._write_line(line)

    def writable(self) -> bool:
        """Return True: it can be written to."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the stderr it replaces."""
        return self._fd
