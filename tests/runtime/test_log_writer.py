"""A thread writes the log lines, so no greenlet waits for the reader of stderr."""

from __future__ import annotations

import logging
import os
import sys

import gevent
import pytest

from runtime import logs
from runtime.log_writer import LineStream, LogWriter
from tests.support.waiting import wait_until


class Pipe:
    """A pipe that is only read when a test reads it."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.read = ""

    def text(self) -> str:
        """Read what the pipe holds, and return everything read so far."""
        try:
            while data := os.read(self.reader, 65_536):
                self.read += data.decode()
        except BlockingIOError:
            pass
        return self.read


@pytest.fixture
def pipe() -> Pipe:
    # The thread may still use the pipe: it runs as long as its process, so the pipe stays open.
    return Pipe()


LINE = "x" * 999


def fill(writer: LogWriter, lines: int) -> None:
    for _ in range(lines):
        writer.write(LINE)


def test_lines_are_written_completely_and_in_order(pipe):
    writer = LogWriter(pipe.writer)
    lines = [f"{number} {'y' * (number % 300)}" for number in range(5000)]
    for line in lines:
        writer.write(line)

    wait_until(lambda: pipe.text().count("\n") == len(lines))
    assert pipe.text().splitlines() == lines
    assert writer.dropped == 0


def test_logging_continues_without_a_reader_and_lost_lines_are_reported(pipe):
    writer = LogWriter(pipe.writer, describe_loss="{} lost".format, max_lines=50)
    # More than the pipe (64 KB), the thread and the queue hold together.

    def loses_lines():
        fill(writer, 10)
        return writer.dropped > 0

    wait_until(loses_lines)
    lost = writer.dropped
    wait_until(lambda: " lost" in pipe.text())
    assert f"{lost} lost" in pipe.text().splitlines()

    writer.write("the next")
    wait_until(lambda: "the next" in pipe.text())
    assert pipe.text().count("lost") == 1
    assert writer.dropped == lost


def test_the_event_loop_runs_while_the_thread_waits_for_the_reader(pipe):
    writer = LogWriter(pipe.writer)
    fill(writer, 200)
    ticks = []

    def tick() -> None:
        for number in range(20):
            ticks.append(number)
            gevent.sleep(0.01)

    gevent.spawn(tick).join(timeout=5)
    assert len(ticks) == 20
    assert not writer.flush(0.1)


def test_flush_waits_for_the_last_line(pipe):
    writer = LogWriter(pipe.writer)
    writer.write("goodbye")
    assert writer.flush()
    assert pipe.text() == "goodbye\n"


def test_flush_gives_up_without_a_reader(pipe):
    writer = LogWriter(pipe.writer)
    fill(writer, 200)
    assert not writer.flush(0.05)


def test_a_closed_reader_loses_lines_and_nothing_else(pipe):
    writer = LogWriter(pipe.writer)
    os.close(pipe.reader)
    writer.write("without a reader")
    wait_until(lambda: writer.dropped == 1)
    writer.write("without a reader")
    wait_until(lambda: writer.dropped == 2)


def test_a_non_blocking_pipe_gets_every_line(pipe):
    """The parent process may have set the flag, which it shares with us."""
    os.set_blocking(pipe.writer, False)
    writer = LogWriter(pipe.writer)
    fill(writer, 500)
    wait_until(lambda: pipe.text().count("\n") == 500)
    assert writer.dropped == 0


def test_a_forked_child_writes_only_its_own_lines(pipe):
    writer = LogWriter(pipe.writer)
    fill(writer, 200)  # they wait, because the pipe is full
    child = os.fork()
    if child == 0:
        reader, own = os.pipe()
        os.dup2(own, pipe.writer)
        writer.write("child")
        written = writer.flush() and os.read(reader, 65_536) == b"child\n"
        os._exit(0 if written and not writer.dropped else 1)
    assert os.waitpid(child, 0)[1] == 0
    wait_until(lambda: pipe.text().count("\n") == 200)
    assert "child" not in pipe.text()


def test_text_printed_to_stderr_is_written_line_by_line():
    lines: list[str] = []
    stream = LineStream(lines.append)
    print("Traceback", file=stream)
    print("one\ntwo", end="", file=stream)
    assert lines == ["Traceback", "one"]
    stream.flush()
    assert lines == ["Traceback", "one", "two"]


def test_a_greenlets_traceback_is_queued_too_with_its_token_redacted(pipe, monkeypatch):
    """gevent prints it to ``sys.stderr``, without logging."""
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # restored afterwards
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    logs.configure(writer=LogWriter(pipe.writer))
    logging.captureWarnings(False)

    gevent.spawn(int, "token=s3cret").join()

    wait_until(lambda: "failed with ValueError" in pipe.text())
    assert "Traceback (most recent call last):" in pipe.text()
    assert "token=[redacted]" in pipe.text()
    assert "s3cret" not in pipe.text()
