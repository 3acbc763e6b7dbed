"""Which broker and which shared parts a process gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from notifications.brokers.backend import Backend, choose_backend
from notifications.brokers.base import HistoryLimits
from tests.support.ear import Ear
from tests.support.redis_server import RedisServer
from tests.support.streams import wait_in_loop


def choose(directory: Path, redis_url: str | None) -> Backend:
    return choose_backend(
        limits=HistoryLimits(),
        redis_url=redis_url,
        redis_prefix="north:",
        deployment="north",
        history_path=directory / "history.json",
    )


def test_process_without_redis_keeps_everything_in_its_memory(tmp_path: Path) -> None:
    backend = choose(tmp_path, None)
    assert not backend.broker.is_shared
    assert backend.batches.poll_seconds is None
    assert not backend.presence.others_serve()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.redis
def test_process_with_redis_shares_everything_over_one_connection(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    backend = choose(tmp_path, redis_server.url)
    assert backend.broker.is_shared
    assert backend.batches.poll_seconds is not None
    with redis_server.client() as client:
        assert names(client.client_list()) == []
        assert backend.batches.pending() == 0
        assert not backend.presence.others_serve()
        assert backend.broker.tip("main:waiter:anna").offset == 0
        assert names(client.client_list()) == ["notifications-link"]
        assert list(client.scan_iter(match="[^n]*")) == []
        backend.broker.start(Ear())
        wait_in_loop(lambda: backend.broker.status().is_up)
        assert sorted(names(client.client_list())) == [
            "notifications-link",
            "notifications-subscriber",
        ]
        backend.broker.stop()
    assert list(tmp_path.iterdir()) == []


def names(clients: list[dict[str, str]]) -> list[str]:
    return [client["name"] for client in clients if client["name"]]
