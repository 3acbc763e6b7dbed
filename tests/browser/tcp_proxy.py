"""A network that a test can cut: a TCP proxy in threads."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

# Close with a reset, as a router does that has lost the connection's state.
_RESET = struct.pack("ii", 1, 0)


class TcpProxy:
    """Forwards connections to ``port`` of this machine; a context manager.

        ``cut()`` ends all connections and lets no new one through until
    ``restore()``; ``silence()`` keeps them open and forwards nothing.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.accepted = 0
        """The number of connections so far, including those refused during a cut."""
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_cut = False
        self._flows = threading.Event()
        self._flows.set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def cut(self) -> None:
        """Reset all connections, and each new one at once."""
        self._is_cut = True
        self.drop()

    def drop(self) -> None:
        """Reset all connections; new ones are forwarded."""
        with self._lock:
            sockets, self._open = self._open, set()
        for each in sockets:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            _end(each)

    def point_to(self, port: int) -> None:
        """Forward new connections to another port, like a name that now has another address."""
        self._target = ("127.0.0.1", port)

    def silence(self) -> None:
        """Forward nothing in either direction; connections stay open."""
        self._flows.clear()

    def restore(self) -> None:
        """Forward everything again."""
        self._is_cut = False
        self._flows.set()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _end(self._listener)
        self.cut()
        self._flows.set()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # this proxy was closed
            self.accepted += 1
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                server = None
            if server is None or self._is_cut:
                for each in (client, server):
                    if each is not None:
                        _end(each)
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                thread = threading.Thread(target=self._pump, args=(source, sink), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                sink.sendall(data)
        for each in (source, sink):
            _end(each)
        with self._lock:
            self._open -= {source, sink}


def _end(sock: socket.socket) -> None:
    # Closing alone does not wake a thread that waits in recv or accept.
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
