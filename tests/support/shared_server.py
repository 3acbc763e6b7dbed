"""A server shared by many tests, because a start takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.server_log import check_log
from tests.support.service_server import ServiceServer
from tests.support.sse_client import SseClient
from tests.support.waiting import wait_until


class SharedServer(ServiceServer):
    """A server that is running and without streams again after each test."""

    def listen(self, path: str, role: str, subject: str, **kwargs: Any) -> SseClient:
        """Open a stream at any ``path`` as ``subject``, and wait for its ``connection`` event."""
        return self._listen(path, lambda: self.token(role, subject), kwargs)

    @contextmanager
    def one_test(self) -> Iterator[None]:
        """Close the test's streams, and check what the server logged during the test."""
        written = len(self.log_so_far)
        try:
            yield
        finally:
            for client in self._clients:
                client.close()
            self._clients.clear()
        wait_until(lambda: self.open_streams() == 0, message="streams are left open")
        check_log(self.log_so_far[written:])
