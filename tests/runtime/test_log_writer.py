"""Log lines are written by a thread: whoever logs never waits for the reader of stderr."""

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
    """A pipe whose reader reads when it is told to."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.read = ""

    def text(self) -> str:
        """Read what is there, and return all that was read so far."""
        try:
            while data := os.read(self.reader, 65_536):
                self.read += data.decode()
        except BlockingIOError:
            pass
        return self.read


@pytest.fixture
def pipe() -> Pipe:
    # The thread may still be at it: it lives as long as its process, and so do these.
    return Pipe()


LINE = "x" * 999


def fill(writer: LogWriter, lines: int) -> None:
    for _ in range(lines):
        writer.write(LINE)


def test_lines_are_written_in_order_and_whole(pipe):
    writer = LogWriter(pipe.writer)
    lines = [f"{number} {'y' * (number % 300)}" for number in range(5000)]
    for line in lines:
        writer.write(line)

    wait_until(lambda: pipe.text().count("\n") == len(lines))
    assert pipe.text().splitlines() == lines
    assert writer.dropped == 0


def test_writing_goes_on_while_nobody_reads_and_what_is_lost_is_told(pipe):
    writer = LogWriter(pipe.writer, describe_loss="{} lost".format, max_lines=50)
    # More than the pipe holds (64 KB), the thread has in its hands, and the queue.

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


def test_the_event_loop_goes_on_while_the_thread_waits_for_the_reader(pipe):
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


def test_flush_gives_up_when_nobody_reads(pipe):
    writer = LogWriter(pipe.writer)
    fill(writer, 200)
    assert not writer.flush(0.05)


def test_a_reader_that_is_gone_costs_lines_and_nothing_else(pipe):
    writer = LogWriter(pipe.writer)
    os.close(pipe.reader)
    writer.write("to nobody")
    wait_until(lambda: writer.dropped == 1)
    writer.write("to nobody")
    wait_until(lambda: writer.dropped == 2)


def test_a_pipe_that_does_not_block_gets_every_line(pipe):
    """Whoever started us may have made it so, for itself and therefore for us."""
    os.set_blocking(pipe.writer, False)
    writer = LogWriter(pipe.writer)
    fill(writer, 500)
    wait_until(lambda: pipe.text().count("\n") == 500)
    assert writer.dropped == 0


def test_a_child_writes_its_own_lines_and_none_of_its_parents(pipe):
    writer = LogWriter(pipe.writer)
    fill(writer, 200)  # which wait: the pipe is full
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


def test_what_is_printed_to_stderr_is_passed_on_line_by_line():
    lines: list[str] = []
    stream = LineStream(lines.append)
    print("Traceback", file=stream)
    print("one\ntwo", end="", file=stream)
    assert lines == ["Traceback", "one"]
    stream.flush()
    assert lines == ["Traceback", "one", "two"]


def test_a_greenlets_traceback_is_queued_too_and_without_its_token(pipe, monkeypatch):
    """gevent prints it to ``sys.stderr``, past all logging."""
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # put back afterwards
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
