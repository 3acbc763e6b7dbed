"""Runs scripts on one connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from notifications.redis.connection import RedisConnection, Word
from notifications.redis.script import Call


class ScriptRunner:
    """Runs scripts on ``connection``, and has Redis load each one before its first run.

    The load travels with the first call, so no list of scripts is needed, and a server
    that has never seen them costs no further round trip.

    Every method switches greenlets and raises one of ``CONNECTION_FAILURES``.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._loaded: set[str] = set()

    def ask(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """Return the answers to ``commands``: one round trip. A refusal is an answer, too."""
        self._connection.send(commands)
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(self._connection.receive())
            except redis.ResponseError as error:
                answers.append(error)
        return answers

    def run(
        self, calls: Sequence[Call], generation: int, *, also: Sequence[Sequence[Word]] = ()
    ) -> list[Any]:
        """Return the answers to ``calls``, then to the commands ``also``: one round trip.

        Raises:
            redis.ResponseError: Redis does not load a script.
        """
        answers = self._run(calls, generation, also)
        if any(isinstance(answer, redis.exceptions.NoScriptError) for answer in answers):
            # After SCRIPT FLUSH. It is rare, so all calls are simply repeated.
            self._loaded.clear()
            answers = self._run(calls, generation, also)
        return answers

    def _run(
        self, calls: Sequence[Call], generation: int, also: Sequence[Sequence[Word]]
    ) -> list[Any]:
        missing: dict[str, str] = {}
        commands: list[Sequence[Word]] = []
        for call in calls:
            sha, keys = call.script.sha, call.keys
            if sha not in self._loaded:
                missing[sha] = call.script.text
            commands.append(["EVALSHA", sha, len(keys), *keys, generation, *call.args])
        commands += also
        if not missing:
            return self.ask(commands)
        answers = self.ask([*(("SCRIPT", "LOAD", text) for text in missing.values()), *commands])
        for answer in answers[: len(missing)]:
            if isinstance(answer, Exception):
                raise answer
        self._loaded.update(missing)
        return answers[len(missing) :]
