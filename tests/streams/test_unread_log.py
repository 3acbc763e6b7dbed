"""The service continues when no process reads its log."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.metrics import Figures
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

PIPE_BYTES = 4096
REFUSED = b"GET /sse/waiter/anna HTTP/1.1\r\nHost: house\r\n\r\n"


class UnreadLog:
    """A server that logs into a pipe of one page, which is only read on request."""

    def __init__(self, start_server: Callable[..., ServiceServer], **env: object) -> None:
        self._reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self._reader, False)
        self._writer = writer
        self.text = ""
        self.server = start_server(start=False, **env)
        self.server.stderr = writer

    def read(self) -> str:
        """Read what the pipe holds; return everything that was read so far."""
        try:
            while data := os.read(self._reader, 65_536):
                self.text += data.decode()
        except BlockingIOError:
            pass
        return self.text

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read all the time, as fast as the server writes."""
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                self.read()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            done.set()
            reader.join()

    def fill(self) -> None:
        """Let the server log many times the size of the pipe."""
        self.be_refused(200)

    def be_refused(self, times: int) -> None:
        """Ask for streams on one connection. Each is refused and logs one line."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as wire:
            for _ in range(0, times, 20):
                wire.sendall(REFUSED * 20)
                answer = b""
                while answer.count(b'"requestId"') < 20:
                    data = wire.recv(65_536)
                    assert data, answer
                    answer += data

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture
def unread(start_server: Callable[..., ServiceServer]) -> Iterator[UnreadLog]:
    log = UnreadLog(start_server)
    yield log
    log.server.kill()
    log.close()


def test_requests_streams_and_the_master_continue_with_a_full_log(unread: UnreadLog) -> None:
    server = unread.server
    server.start()
    unread.fill()

    guest = server.listen_session("table-7")
    server.service.update_order_status("ord-1", "InProgress")
    assert guest.next("order_update").data["status"] == "InProgress"
    assert server.get("/sse/health").ok

    # The master logs that the worker died and that it starts another.
    [worker] = server.worker_pids
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: server.worker_pids and server.worker_pids != [worker], 10)
    server.wait_healthy()
    server.stop()  # asserts that the server ends in time


@pytest.mark.long
def test_lost_lines_are_counted_and_logged_once_the_log_is_read_again(unread: UnreadLog) -> None:
    server = unread.server
    server.start()
    unread.fill()

    def loses_lines() -> bool:
        unread.be_refused(2000)
        return Figures.of(server).value("log_lines_dropped_total") > 0  # more lines than may wait

    wait_until(loses_lines, 60)
    lost = Figures.of(server).value("log_lines_dropped_total")

    with unread.reading():
        wait_until(lambda: "log lines dropped" in unread.text)
        [told] = re.findall(r"log lines dropped lines=(\d+) pid=\d+ instance=", unread.text)
        assert int(told) >= lost
        # The last lines are also written when the process ends.
        os.kill(server.pid, signal.SIGTERM)
        wait_until(lambda: "Shutting down: Master" in unread.text, 15)
    assert "Worker exiting" in unread.read()
    assert server.wait_exit() == 0
