"""Links to Redis for tests of several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent.socket
import pytest

from notifications.redis.connection import RedisConnector
from notifications.redis.keys import RedisKeys
from notifications.redis.link import RedisLink
from tests.support.redis_server import RedisServer
from tests.support.streams import pass_turn

KEYS = RedisKeys("restaurant:")


@pytest.fixture
def make_link(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], RedisLink]]:
    """Make the link of one process. It is closed when the test ends."""
    # Give redis-py gevent's sockets, as gunicorn's gevent worker does, without patching the
    # rest of the process.
    monkeypatch.setattr("redis.connection.socket", gevent.socket)
    links: list[RedisLink] = []

    def make() -> RedisLink:
        links.append(link := RedisLink(RedisConnector(redis_server.url, "test"), KEYS))
        return link

    yield make
    for link in links:
        link.stop()
    pass_turn()
