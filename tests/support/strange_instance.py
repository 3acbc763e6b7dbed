"""A server in the service's place, with answers that the service would not give."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class StrangeInstance:
    """A server on a port of 127.0.0.1 that gives every request the same answer, and counts them.

    ``status`` 0 closes the connection without an answer, like a killed worker.
    """

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        instance = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                instance.asked.append(f"{self.command} {self.path}")
                instance.headers_heard.append(dict(self.headers))
                if status:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                self.close_connection = True

            do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.asked: list[str] = []
        self.headers_heard: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
