"""The calls of one bearer wait in a line of their own, between calls of other bearers."""

from __future__ import annotations

import socket

import gevent
import gevent.socket
import pytest

from notifications.entrance import call_queue as module
from notifications.entrance.call_queue import CallQueue
from notifications.errors import TooManyCalls


def test_call_of_another_bearer_does_not_wait_for_all_calls_of_one() -> None:
    queue, done = CallQueue(at_once=2), []

    def call(who: str) -> None:
        with queue.turn(who):
            gevent.sleep(0)
            done.append(who)

    calls = [gevent.spawn(call, "mallory") for _ in range(50)]
    gevent.sleep(0)
    calls.append(gevent.spawn(call, "anna"))
    gevent.joinall(calls, raise_error=True)
    assert done.index("anna") <= 4
    assert not queue._lines


def test_sockets_are_served_between_calls_that_arrive_together() -> None:
    queue, done = CallQueue(at_once=2), []
    near, far = socket.socketpair()

    def call() -> None:
        with queue.turn("mallory"):
            done.append("mallory")

    def read() -> None:
        gevent.socket.wait_read(near.fileno())
        done.append("anna")

    with near, far:
        reading = gevent.spawn(read)
        gevent.sleep(0)
        far.send(b"something")
        gevent.joinall([reading, *(gevent.spawn(call) for _ in range(50))], raise_error=True)
    assert done.index("anna") <= 4


def test_bearer_with_too_many_running_calls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_CALLS", 1)
    monkeypatch.setattr(module, "MAX_WAIT_SECONDS", 0.01)
    queue = CallQueue(at_once=1)
    with queue.turn("mallory"):
        waiting = gevent.spawn(lambda: queue.turn("mallory").__enter__())
        gevent.sleep(0)
        with pytest.raises(TooManyCalls), queue.turn("mallory"):
            pass
        with queue.turn("anna"):
            pass
        with pytest.raises(TooManyCalls):
            waiting.get()
    with queue.turn("mallory"):
        pass
