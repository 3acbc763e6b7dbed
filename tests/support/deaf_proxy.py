"""A TCP proxy in front of Redis that can simulate failures."""

from __future__ import annotations

import contextlib
from typing import Any

import gevent
import gevent.socket
from gevent.server import StreamServer


class _Passage:
    """One client's connection, and the proxy's connection to the server for it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.is_subscriber = False
        self.is_deaf = False

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._client.shutdown(gevent.socket.SHUT_RDWR)


class DeafProxy:
    """Forwards bytes in both directions in gevent's loop; ``url`` is its own address."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._passages: list[_Passage] = []
        self.deafens_new_subscribers = False
        """Drop the server's messages to every later subscriber, too."""
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.url = f"redis://127.0.0.1:{self._server.server_port}/0"

    def deafen_subscribers(self) -> int:
        """Drop the server's messages to the current subscribers; return their number.

        They see no error and no end, only silence. New connections work.
        """
        subscribers = [each for each in self._passages if each.is_subscriber and not each.is_deaf]
        for passage in subscribers:
            passage.is_deaf = True
        return len(subscribers)

    def lead_to(self, target_port: int) -> None:
        """Forward new connections to another server, like a name that now has another address."""
        self._target = ("127.0.0.1", target_port)

    def hang_up(self) -> None:
        """End all connections; new ones are accepted."""
        for passage in list(self._passages):
            passage.end()

    def close(self) -> None:
        """End all connections and accept no more."""
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
                        passage.is_deaf |= passage.is_subscriber and self.deafens_new_subscribers
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
