"""The service below a path prefix, called the way a real proxy calls it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service_server import ServiceServer, copy_sqlite

PREFIX = {"X-Forwarded-Prefix": "/restaurant"}


@pytest.fixture(scope="module")
def server(
    seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceServer]:
    """One server for all tests of this file, which only read."""
    directory = tmp_path_factory.mktemp("server")
    server = ServiceServer(directory, copy_sqlite(seeded_sqlite, directory), DEMO="public")
    server.start()
    yield server
    server.close()


def test_every_address_in_an_answer_has_the_path_prefix(server: ServiceServer) -> None:
    anna = server.token("waiter", "anna")
    made = server.post("/api/sessions", token=anna, json={"tableNumber": 12}, headers=PREFIX)
    location = made.headers["Location"]
    assert location == f"/restaurant/api/sessions/{made.json()['session']['id']}"
    # The service answers whether or not the proxy strips the prefix.
    for path in (location, location.removeprefix("/restaurant")):
        assert server.get(path, token=anna, headers=PREFIX).ok, path

    cookie = server.post("/sse/token", token=anna, headers=PREFIX).headers["Set-Cookie"]
    assert "Path=/restaurant/sse/waiter/anna" in cookie

    page = server.get("/demo", headers=PREFIX).text
    addresses = re.findall(r'(?:href|src)="(/[^"]*)"', page)
    [importmap] = re.findall(r'<script type="importmap"[^>]*>(.*?)</script>', page, re.DOTALL)
    addresses += json.loads(importmap)["imports"].values()
    assert len(addresses) >= 4
    for address in addresses:
        assert address.startswith("/restaurant/"), address
        assert server.get(address, headers=PREFIX).ok, address


@pytest.mark.parametrize("prefix", ["", "/", "restaurant", "//example.com", "/a b", "/x;y", '/x"y'])
def test_an_invalid_path_prefix_is_ignored(server: ServiceServer, prefix: str) -> None:
    anna = server.token("waiter", "anna")
    answer = server.post("/sse/token", token=anna, headers={"X-Forwarded-Prefix": prefix})
    assert answer.ok
    assert "Path=/sse/waiter/anna" in answer.headers["Set-Cookie"]
