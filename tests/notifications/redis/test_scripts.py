"""Lua files: each describes its arguments, and Redis loads each at its first use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import gevent.socket
import pytest

from notifications.redis.connection import RedisConnector
from notifications.redis.runner import ScriptRunner
from notifications.redis.script import Call, Script
from tests.support.programs import REPOSITORY
from tests.support.redis_server import RedisServer
from tests.support.streams import pass_turn

FILES = sorted((REPOSITORY / "notifications").rglob("*.lua"))

DOUBLE, ECHO = Script("return ARGV[2] * 2"), Script("return ARGV[2]")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_lua_file_describes_its_arguments_and_its_answer(path: Path) -> None:
    header = re.match(r"(--.*\n)+", path.read_text())
    assert header is not None
    assert "KEYS" in header[0] or "KEYS" not in path.read_text()
    assert "ARGV[1]: " in header[0] or "ARGV: as in channel.lua" in header[0]
    assert "Answer: " in header[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_lua_file_is_loaded_by_its_own_package(path: Path) -> None:
    room = "".join(each.read_text() for each in path.parent.parent.glob("*.py"))
    assert re.search(rf'Script.load\(__file__,[^)]*"{path.stem}"', room)


@pytest.fixture
def runner(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptRunner]:
    monkeypatch.setattr("redis.connection.socket", gevent.socket)
    connection = RedisConnector(redis_server.url, "test")()
    connection.open()
    yield ScriptRunner(connection)
    connection.close()
    pass_turn()


@pytest.mark.redis
def test_script_is_loaded_once_by_its_first_call(
    redis_server: RedisServer, runner: ScriptRunner
) -> None:
    with redis_server.client() as client:
        client.script_flush()
        client.config_resetstat()
        for _ in range(3):
            calls = [Call(DOUBLE, (), [21]), Call(ECHO, (), ["x"]), Call(DOUBLE, (), [4])]
            assert runner.run(calls, 1, also=[("PING",)]) == [42, b"x", 8, b"PONG"]
        assert client.info("commandstats")["cmdstat_script|load"]["calls"] == 2


@pytest.mark.redis
def test_script_that_redis_lost_is_loaded_again(
    redis_server: RedisServer, runner: ScriptRunner
) -> None:
    assert runner.run([Call(DOUBLE, (), [1])], 1) == [2]
    with redis_server.client() as client:
        client.script_flush()
    assert runner.run([Call(DOUBLE, (), [2]), Call(ECHO, (), ["x"])], 1) == [4, b"x"]
