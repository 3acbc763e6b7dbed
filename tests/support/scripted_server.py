"""A server on a real socket that answers with bytes from a test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ScriptedServer:
    """Answers each connection with the next of ``answers``, then closes it.

    ``requests`` holds the heads it was sent, without their bodies.
    """

    def __init__(self, answers: list[bytes]) -> None:
        self.requests: list[str] = []
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Stop, also while it waits for a connection."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                self.requests.append(_head(client))
                client.sendall(answer)


@contextmanager
def scripted_server(*answers: bytes) -> Iterator[ScriptedServer]:
    """Serve ``answers``, one a connection, while the block runs."""
    server = ScriptedServer(list(answers))
    try:
        yield server
    finally:
        server.close()


def _head(client: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head and (chunk := client.recv(65_536)):
        head += chunk
    return head.decode("latin-1")
