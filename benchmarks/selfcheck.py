"""Checks that the generator finds known faults in streams; otherwise its results mean nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.generator import Generator

#: The number of events that the generator is told to expect on each stream.
_EXPECTED = 6


@dataclass(frozen=True)
class Case:
    """Events as they are sent, and the counts that the generator must report."""

    name: str
    sequence: Sequence[int]
    received: int
    duplicates: int = 0
    out_of_order: int = 0
    unexpected: int = 0
    newline: str = "\n"
    is_chunked: bool = True


CASES = (
    Case("all is well", range(6), 6),
    Case("CR LF line ends, no chunks", range(6), 6, newline="\r\n", is_chunked=False),
    Case("one is lost", (0, 1, 3, 4, 5), 5),
    Case("one comes twice", (0, 1, 1, 2, 3, 4, 5), 6, duplicates=1),
    Case("one comes again, later", (0, 1, 2, 3, 4, 5, 2), 6, duplicates=1),
    Case("two have changed places", (0, 2, 1, 3, 4, 5), 6, out_of_order=1),
    Case("one too many", (0, 1, 2, 3, 4, 5, 6), 6, unexpected=1),
)


class CheckFailed(Exception):
    """The generator reported wrong counts."""


def check() -> None:
    """Raise CheckFailed unless the generator counts every case correctly."""
    with Generator() as generator, socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        for case in CASES:
            sender = threading.Thread(target=_send, args=(listener, case), daemon=True)
            sender.start()
            generator.aim(listener.getsockname()[1], ["/stream"], ready="head")
            generator.open(0, 1)
            generator.command(f"expect 1 {_EXPECTED}")
            answer = generator.command("collect 600 1000000", limit_seconds=1)
            generator.command("close 0 1")
            sender.join(10)
            wanted = {
                "received": case.received,
                "duplicates": case.duplicates,
                "out_of_order": case.out_of_order,
                "unexpected": case.unexpected,
            }
            counted = {name: answer[name] for name in wanted}
            if counted != wanted:
                raise CheckFailed(f"{case.name}: counted {counted}, not {wanted}")


def _send(listener: socket.socket, case: Case) -> None:
    """Serve the head, then the events, cut into pieces at difficult places."""
    connection, _ = listener.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.recv(4096)
        framing = "Transfer-Encoding: chunked\r\n" if case.is_chunked else ""
        connection.sendall(f"HTTP/1.1 200 OK\r\n{framing}\r\n".encode())
        time.sleep(0.1)  # the generator says what it expects
        wire = b"".join(_chunk(_block(k, case.newline), case.is_chunked) for k in case.sequence)
        for at in range(0, len(wire), 37):
            connection.sendall(wire[at : at + 37])
            time.sleep(0.001)
        connection.recv(1)


def _block(sequence: int, newline: str) -> bytes:
    stamp = f"bench.{sequence:010d}.{time.monotonic_ns():019d}"
    lines = ("event: order_update", f'data: {{"orderId":"{stamp}"}}', f"id: k-{sequence}", "", "")
    return newline.join(lines).encode()


def _chunk(block: bytes, is_chunked: bool) -> bytes:
    return b"%x\r\n%s\r\n" % (len(block), block) if is_chunked else block
