"""HTTP by hand, for requests that no client library would send."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class RawAnswer:
    """An answer; ``head`` has all lines before the body, except ``Date``."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


def exchange(base_url: str, request: bytes, *, timeout: float = 10.0) -> RawAnswer:
    """Send ``request`` unchanged and read one answer; its body ends with the connection.

    A server may answer, and hang up, before it has read everything.
    """
    parts = urlsplit(base_url)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=timeout) as wire:
        with contextlib.suppress(ConnectionError):
            wire.sendall(request)
        received = b""
        with contextlib.suppress(ConnectionError):
            while not _is_whole(received) and (data := wire.recv(65_536)):
                received += data
    head, _, body = received.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"date:")]
    return RawAnswer(b"\r\n".join(lines), body)


def _is_whole(received: bytes) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return False
