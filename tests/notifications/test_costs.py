"""The costs of a stream and a delivery as counts, which do not depend on the machine's speed."""

from __future__ import annotations

import gc
import math
import os
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import greenlet
import pytest

from notifications.brokers.memory.broker import MemoryBroker
from notifications.principal import Principal, Role
from notifications.streams.body import Handover
from notifications.streams.service import SseService
from tests.support.streams import HEARTBEAT_BODY, pass_turn, wait_in_loop

STREAMS = 300

#: Bytes of Python objects for one idle stream on its own channel: the stream, its outlet and
#: watcher, its principal, its entries in registry and broker. Measured: 1,450. The limit leaves
#: no room for another dict or queue per stream.
MOST_BYTES_PER_STREAM = 1_800


class Counts:
    """What was counted."""

    def __init__(self) -> None:
        self.writes = 0
        self.switches = 0


class House:
    """Streams that the event loop has taken over, and their clients."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.sse = SseService(self.broker)
        self.sse.start()
        self.clients: list[socket.socket] = []

    def listen(self, waiter_id: str) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        anna = Principal(Role.WAITER, waiter_id, expires_at=math.inf, issued_at=0.0)
        body = self.sse.open("waiter", waiter_id, anna, handover=Handover(ours, is_chunked=True))
        for _greeting in body:
            pass
        assert body.is_handed_over
        body.close()
        ours.close()
        self.clients.append(theirs)

    def publish(self, waiter_id: str, key: str) -> None:
        self.broker.publish([f"main:waiter:{waiter_id}"], HEARTBEAT_BODY, key=key)

    def receive(self) -> list[bytes]:
        """Return what each client has received since the last call."""
        received = []
        for client in self.clients:
            client.setblocking(False)
            try:
                received.append(client.recv(1_000_000))
            except BlockingIOError:
                received.append(b"")
        return received

    def close(self) -> None:
        self.sse.stop()
        for client in self.clients:
            client.close()


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counts]:
    """Count the writes to sockets and the switches between greenlets."""
    counts = Counts()
    write = os.write

    def counting_write(fd: int, data: bytes) -> int:
        counts.writes += 1
        return write(fd, data)

    def trace(_event: str, _args: object) -> None:
        counts.switches += 1

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", counting_write)
        before = greenlet.settrace(trace)
        try:
            yield counts
        finally:
            greenlet.settrace(before)


def test_idle_stream_holds_few_bytes(house: House) -> None:
    for number in range(STREAMS):
        house.listen(f"early-{number}")
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(STREAMS):
            house.listen(f"late-{number}")
        house.receive()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / STREAMS < MOST_BYTES_PER_STREAM


@pytest.mark.parametrize("number", [1, 100])
def test_event_for_many_streams_costs_each_one_write_and_no_greenlet(
    house: House, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for _ in range(STREAMS):
        house.listen("anna")
    house.receive()

    with counted(monkeypatch) as counts:
        for event in range(number):
            house.publish("anna", f"key-{event}")
        wait_in_loop(lambda: counts.writes == STREAMS)

    assert all(data.count(b"\nid: ") == number for data in house.receive())
    # A few switches between the test and the event loop, and not one per stream.
    assert counts.switches < STREAMS / 10


def test_event_for_one_stream_costs_the_others_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(STREAMS):
        house.listen(f"waiter-{number}")
    house.receive()

    with counted(monkeypatch) as counts:
        house.publish("waiter-7", "key")
        wait_in_loop(lambda: counts.writes)
        pass_turn()

    assert counts.writes == 1
    assert sum(bool(data) for data in house.receive()) == 1
