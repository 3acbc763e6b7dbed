"""A TCP proxy in front of Redis, which can be told to misbehave."""

from __future__ import annotations

import contextlib
from typing import Any

import gevent
import gevent.socket
from gevent.server import StreamServer


class _Passage:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.is_subscriber = False
        self.is_deaf = False

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._client.shutdown(gevent.socket.SHUT_RDWR)


class DeafProxy:
    """Passes bytes on, both ways, in gevent's loop; ``url`` is where it listens."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._passages: list[_Passage] = []
        self.deafens_everybody = False
        """Who subscribes is deaf from the start."""
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.url = f"redis://127.0.0.1:{self._server.server_port}/0"

    def deafen_subscribers(self) -> int:
        """Swallow what the server says to those who subscribe now; return how many they are.

        They see no error and no end, just silence. Who connects anew hears again.
        """
        subscribers = [each for each in self._passages if each.is_subscriber and not each.is_deaf]
        for passage in subscribers:
            passage.is_deaf = True
        return len(subscribers)

    def lead_to(self, target_port: int) -> None:
        """Lead new connections to another server, as a name does that is changed."""
        self._target = ("127.0.0.1", target_port)

    def hang_up(self) -> None:
        """End all connections; new ones are welcome."""
        for passage in list(self._passages):
            passage.end()

    def close(self) -> None:
        """Hang up on everybody, for good."""
        self._server.stop(timeout=0.1)

    def _serve(self, client: Any, _address: object) -> None:
        passage = _Passage(client)
        self._passages.append(passage)
        try:
            with gevent.socket.create_connection(self._target) as server:
                answers = gevent.spawn(self._pass_answers, passage, server, client)
                try:
                    while data := client.recv(65_536):
                        passage.is_subscriber |= b"SUBSCRIBE" in data
                        passage.is_deaf |= passage.is_subscriber and self.deafens_everybody
                        server.sendall(data)
                except OSError:
                    pass
                finally:
                    answers.kill()
        finally:
            self._passages.remove(passage)

    def _pass_answers(self, passage: _Passage, server: Any, client: Any) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                if not passage.is_deaf:
                    client.sendall(data)
            passage.end()
