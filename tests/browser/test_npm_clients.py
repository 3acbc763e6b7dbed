"""Clients from npm and our own, under Node.js, miss no event on a network that fails."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.browser.follower import change
from tests.browser.tcp_proxy import TcpProxy
from tests.support.programs import end
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

#: The client's script, and the package it uses. Ours needs an EventSource from another package.
_CLIENTS = {
    "eventsource.mjs": "eventsource",
    "fetch-event-source.mjs": "@microsoft/fetch-event-source",
    "notifications.mjs": "eventsource",
}


class NodeClient:
    """A client in its own process; ``events`` grows as it prints them."""

    def __init__(self, node: str, script: Path, *arguments: str) -> None:
        self.events: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [node, script, *arguments], stdout=subprocess.PIPE, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def ids(self, event_type: str) -> list[str]:
        return [event["id"] for event in self.events if event["type"] == event_type]

    def close(self) -> None:
        end(self._process, 5)
        self._reader.join(5)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.events.append(json.loads(line))


@pytest.fixture(params=sorted(_CLIENTS))
def client(
    request: pytest.FixtureRequest,
    node: str,
    npm_package: Callable[[str], Path],
    server: ServiceServer,
    proxy: TcpProxy,
) -> Iterator[NodeClient]:
    npm_package(_CLIENTS[request.param])
    client = NodeClient(
        node,
        Path(__file__).parent / "clients" / request.param,
        f"{proxy.url}/sse/session/table-7",
        server.token("customer", "table-7"),
        "connection",
        "order_update",
        "heartbeat",
    )
    yield client
    client.close()


def test_every_event_arrives_once_across_cuts(
    client: NodeClient, server: ServiceServer, proxy: TcpProxy
) -> None:
    def arrived() -> int:
        return len(client.ids("order_update"))

    def have_arrived(number: int) -> bool:
        return arrived() >= number

    wait_until(lambda: client.ids("connection"), 10)
    change(server, 10)
    wait_until(lambda: arrived() == 10)

    proxy.cut()
    change(server, 10)
    proxy.restore()
    wait_until(lambda: arrived() == 20, 20)

    # Also cut in the middle of a burst.
    for total in (30, 40):
        worker = threading.Thread(target=change, args=(server, 10))
        worker.start()
        wait_until(partial(have_arrived, total - 9))
        proxy.drop()
        worker.join()
        wait_until(partial(have_arrived, total), 20)

    offsets = [int(each.rpartition("-")[2]) for each in client.ids("order_update")]
    assert offsets == sorted(set(offsets)), "an event came twice or out of order"
    assert len(offsets) == 40
    assert len(client.ids("connection")) >= 3
    wait_until(lambda: client.ids("heartbeat"))
