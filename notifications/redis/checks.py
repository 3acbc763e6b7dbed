"""What a process checks of the Redis it is connected to, and how often."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import redis

from notifications.redis import memory, server
from notifications.redis.connection import Word
from notifications.redis.generation import Generation
from notifications.redis.keys import RedisKeys
from notifications.redis.mark import RENEWAL_SECONDS, RedisMark
from notifications.redis.memory import RedisMemory
from notifications.redis.runner import ScriptRunner
from notifications.redis.script import Call, Script
from notifications.redis.server import RedisServer

#: Seconds between two checks of which server it is: it can become a replica, and a
#: primary again, without a connection breaking.
LOOK_SECONDS = 1.0

_OUTDATED = re.compile(r"OUTDATED the generation is (\d+)")

REGISTER = Script.load(__file__, "register")


class RedisChecks:
    """Decides whether Redis can be used, and keeps ``generation`` up to date.

    At the beginning of each connection: the server is a primary and says which one, the
    prefix is ours by its ``mark``, Redis evicts nothing, and the generation is learned.
    Later the same again, each at its interval. The methods that take a ``runner`` switch
    greenlets and raise one of ``CONNECTION_FAILURES`` if Redis must not be used.
    """

    def __init__(self, keys: RedisKeys, mark: RedisMark | None) -> None:
        self.generation = Generation()
        self.memory = RedisMemory()
        self._state_key = keys.state
        self._mark = mark
        self._server = RedisServer()
        # For which server and deployment the generation was learned.
        self._registered = ""
        self._look_at = 0.0
        self._memory_at = 0.0

    def begin(self, runner: ScriptRunner) -> None:
        """Check everything, as a connection begins."""
        self._server.meet(runner.ask(server.QUESTIONS))
        self._look_at = time.monotonic() + LOOK_SECONDS
        if self._mark is not None:
            self._mark.renew(runner)
        self._look_at_memory(runner)
        self._register(runner, is_new_connection=True)

    def repeat(self, runner: ScriptRunner) -> None:
        """Check what is due. To be called every ``RENEWAL_SECONDS`` at least."""
        if self._mark is not None and self._mark.is_due:
            self._mark.renew(runner)
            self._register(runner)
        if time.monotonic() >= self._memory_at:
            self._look_at_memory(runner)

    def run(self, runner: ScriptRunner, calls: Sequence[Call]) -> list[Any]:
        """Return the answers to ``calls``, usually in one round trip.

        A check that is due travels along. Calls that were refused because we had an older
        generation are made again under the newer one.
        """
        answers = self._run(runner, calls)
        if not any(isinstance(answer, redis.ResponseError) for answer in answers):
            return answers
        if any(isinstance(answer, redis.ReadOnlyError) for answer in answers):
            # It is a replica now; the next connection may reach the new primary.
            raise redis.ConnectionError("Redis has become a read-only replica")
        if lowest := max(map(_newer_generation, answers)):
            self._register(runner, lowest)
            refused = [index for index, each in enumerate(answers) if _newer_generation(each)]
            again = runner.run([calls[index] for index in refused], self.generation.number)
            for index, answer in zip(refused, again, strict=True):
                answers[index] = answer
        return answers

    def _run(self, runner: ScriptRunner, calls: Sequence[Call]) -> list[Any]:
        if time.monotonic() < self._look_at:
            return runner.run(calls, self.generation.number)
        also = [server.QUESTIONS[1]]
        *answers, replication = runner.run(calls, self.generation.number, also=also)
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._server.look(replication)
        self._register(runner)
        return answers

    def _look_at_memory(self, runner: ScriptRunner) -> None:
        self.memory.look(*runner.ask(memory.QUESTIONS))
        self._memory_at = time.monotonic() + RENEWAL_SECONDS

    def _register(
        self, runner: ScriptRunner, lowest: int = 0, *, is_new_connection: bool = False
    ) -> None:
        identity = self._server.identity + (self._mark.token if self._mark else "")
        if identity == self._registered and not lowest and not is_new_connection:
            return
        args: list[Word] = [identity, lowest, self._registered, server.STATE_MS]
        call = Call(REGISTER, [self._state_key], args)
        (answer,) = runner.run([call], self.generation.number)
        if isinstance(answer, Exception):
            raise answer
        self._registered = identity
        self.generation.begin(answer)


def _newer_generation(answer: Any) -> int:
    """Return the generation that a script was refused for not having; 0 if it was not."""
    found = _OUTDATED.search(str(answer)) if isinstance(answer, redis.ResponseError) else None
    return int(found[1]) if found else 0
