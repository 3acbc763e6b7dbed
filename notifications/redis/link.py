"""One connection to Redis that all greenlets of a process share.

Calls wait in a queue; one greenlet sends all that wait together and reads the
answers in the same order. So a storm of calls costs few round trips; the
connection has one owner, and a caller that is killed while it waits leaves
nothing half-read behind.

The rejected alternative is a pool: a hundred connections per worker in just
the moment in which Redis is slow.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gevent
import redis
from gevent.event import AsyncResult, Event

from notifications.errors import BrokerUnavailable
from notifications.redis import memory, server
from notifications.redis import scripts as redis_scripts
from notifications.redis.connection import (
    CONNECTION_FAILURES,
    TIMEOUT_SECONDS,
    RedisConnection,
    Word,
)
from notifications.redis.mark import RENEWAL_SECONDS, AnotherDeployment, RedisMark
from notifications.redis.memory import RedisMemory
from notifications.redis.scripts import Script
from notifications.redis.server import RedisServer, RedisUnidentified

log = logging.getLogger("notifications.redis")

#: Seconds until the next attempt to connect: the first at once, then doubled
#: up to the last, and jittered, so that workers do not come all together.
FIRST_RETRY_SECONDS = 0.05
MAX_RETRY_SECONDS = 1.0

#: A caller's bound, should all else fail: both timeouts, twice.
ANSWER_SECONDS = 4 * TIMEOUT_SECONDS

#: Calls that travel together: some 500 KB, 10 ms of Redis's time.
MAX_CALLS_PER_TRIP = 512

#: Calls that may wait. At 20,000 a second that is half a second's worth: who
#: comes then would wait too long anyway.
MAX_WAITING = 10_000

#: A refusal (out of memory, read-only) counts this long against our health;
#: the report that every process sends each second renews it while it lasts.
REFUSAL_SECONDS = 5.0


#: Seconds between two looks at whether the server is still the one we know; it
#: can become a replica, and a primary again, without a connection breaking.
LOOK_SECONDS = 1.0

_OUTDATED = re.compile(r"OUTDATED the generation is (\d+)")


@dataclass(frozen=True, slots=True)
class Call:
    """One script to run, on ``keys``, with ``args`` after the generation."""

    script: Script
    keys: Sequence[str] = ()
    args: Sequence[Word] = ()


class _Errand:
    """Calls of one caller, and their answers."""

    __slots__ = ("answers", "calls", "is_repeated")

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self.answers: AsyncResult[list[Any]] = AsyncResult()
        self.is_repeated = False

    def fail(self, why: str) -> None:
        self.answers.set_exception(BrokerUnavailable(why))


class RedisLink:
    """Runs scripts in Redis, or says at once that Redis is away.

    ``new_connection`` makes a connection that is not open yet; ``state_key`` is
    where the generation of the histories is kept. While the prefix is another
    deployment's, by its ``mark``, Redis counts as away.
    """

    def __init__(
        self,
        new_connection: Callable[[], RedisConnection],
        *,
        state_key: str,
        mark: RedisMark | None = None,
    ) -> None:
        self._new_connection = new_connection
        self._connection = new_connection()
        self._scripts = [*redis_scripts.ALL, *server.ALL]
        self._waiting: deque[_Errand] = deque()
        self._under_way: list[_Errand] = []
        self._has_calls = Event()
        self._is_up = Event()
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self._state_key = state_key
        self._server = RedisServer()
        # What the generation was learned for, and what it is.
        self._registered = ""
        self._generation = 0
        self._new_generation = Event()
        self._look_at = 0.0
        #: Whether the last server we met did not say which it is.
        self.is_unidentified = False
        self._mark = mark
        self._memory = RedisMemory()
        self._look_at_memory_at = 0.0
        self._conflict: str | None = None
        # Why calls fail at once; None also before the first attempt to connect,
        # whose outcome callers wait for.
        self._trouble: str | None = None
        self._refusal = ""
        self._refused_at = float("-inf")

    def learn(self, *scripts: Script) -> None:
        """Be ready to run ``scripts`` of others, too; before ``start``."""
        self._scripts += scripts

    def start(self) -> None:
        """Begin to connect. Idempotent; a call does it, too."""
        if self._greenlet is None:
            self._trouble = None
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Hang up; calls fail until the next ``start``. Idempotent."""
        if self._greenlet is not None:
            greenlet, self._greenlet = self._greenlet, None
            self._connection.kill(greenlet)
            self._is_up.clear()
            self._fail_all("the connection to Redis was closed")

    @property
    def is_away(self) -> bool:
        """Whether calls fail at once."""
        return self._trouble is not None

    @property
    def trouble(self) -> str | None:
        """What is wrong, in a sentence without secrets; None if nothing is."""
        if self._trouble is not None:
            return self._trouble
        if not self._is_up.is_set():
            return "not connected to Redis yet"
        if time.monotonic() - self._refused_at < REFUSAL_SECONDS:
            return f"Redis refuses: {self._refusal}"
        return None

    @property
    def evicted_keys(self) -> int:
        """How many keys Redis has evicted since it started, for all that is known."""
        return self._memory.evicted_keys

    @property
    def conflict(self) -> str | None:
        """What another deployment under our prefix keeps us from, in a sentence; None if none."""
        return self._conflict

    def require_no_conflict(self) -> None:
        """Make sure that what is under our prefix is ours, for all that is known.

        Raises:
            BrokerUnavailable: it is another deployment's.
        """
        if self._conflict is not None:
            raise BrokerUnavailable(self._conflict)

    @property
    def generation(self) -> int:
        """The number under which histories are believed; another ends all of them."""
        return self._generation

    def wait_for_generation_after(self, generation: int) -> None:
        """Return once the generation is another than this."""
        while self._generation == generation:
            self._new_generation.wait()

    def remembered(self) -> str | None:
        """Return what is remembered with the histories. Raises like ``call``."""
        ((generation, text),) = self.call(Call(server.REMEMBERED, [self._state_key]))
        self.begin_generation(max(generation, self._generation))
        return None if text is None else text.decode()

    def remember(self, text: str, *, instead_of: str | None, ends_histories: bool) -> None:
        """Remember ``text`` unless it is not ``instead_of`` any more. Raises like ``call``."""
        args: list[Word] = [text, instead_of or "", int(ends_histories)]
        (generation,) = self.call(Call(server.REMEMBER, [self._state_key], args))
        self.begin_generation(max(generation, self._generation))

    def begin_generation(self, generation: int) -> None:
        """Believe histories of ``generation`` alone from now on. Never switches."""
        if generation != self._generation:
            self._generation = generation
            self._new_generation.set()
            self._new_generation = Event()

    def wait_until_up(self) -> None:
        """Wait for Redis, however long it takes."""
        self._is_up.wait()

    def call(self, *calls: Call) -> list[Any]:
        """Return the answers to ``calls``, in their order; they travel together.

        Switches greenlets. A call may be carried out twice, where the
        connection breaks between the command and its answer; so each must
        bear it.

        Raises:
            BrokerUnavailable: Redis is away or refuses one of the calls; the
                others may have been carried out.
        """
        if self._trouble is not None:
            raise BrokerUnavailable(self._trouble)
        if len(self._waiting) >= MAX_WAITING:
            raise BrokerUnavailable(f"{MAX_WAITING} calls wait for Redis already")
        if not calls:
            return []
        self.start()
        errand = _Errand(calls)
        self._waiting.append(errand)
        self._has_calls.set()
        errand.answers.wait(ANSWER_SECONDS)
        if not errand.answers.ready():
            raise BrokerUnavailable(f"no answer from Redis within {ANSWER_SECONDS:g} s")
        return errand.answers.get() or []

    # -- the one greenlet that owns the connection ------------------------------

    def _run(self) -> None:
        pause_seconds = 0.0
        while True:
            self._connection = self._new_connection()
            is_open = False
            try:
                self._connection.open()
                self._greet()
                is_open = True
                pause_seconds = 0.0
                self._gain()
                self._serve()
            except CONNECTION_FAILURES as error:
                says_nothing_of_redis = not isinstance(
                    error, (redis.TimeoutError, AnotherDeployment)
                )
                if is_open and says_nothing_of_redis and self._repeat():
                    continue
                self._lose(error)
            except Exception as error:
                # A bug of ours must neither leave callers waiting nor end the link.
                log.exception("the link to Redis failed")
                self._lose(error)
            finally:
                self._connection.close()
            gevent.sleep(pause_seconds * random.uniform(0.5, 1))  # noqa: S311 - jitter
            pause_seconds = min(max(2 * pause_seconds, FIRST_RETRY_SECONDS), MAX_RETRY_SECONDS)

    def _greet(self) -> None:
        # Scripts go with the server that had them: load them where we come.
        commands = [("SCRIPT", "LOAD", script.text) for script in self._scripts]
        replies = self._round_trip([*commands, *server.QUESTIONS])
        loaded, answers = replies[: len(commands)], replies[len(commands) :]
        self._server.meet(answers)
        self._look_at = time.monotonic() + LOOK_SECONDS
        for reply in loaded:
            if isinstance(reply, Exception):
                raise reply
        self._keep_mark()
        self._look_at_memory()
        self._register(is_new_connection=True)

    def _keep_mark(self) -> None:
        if self._mark is not None:
            self._mark.renew(lambda words: self._round_trip([words])[0])

    def _look_at_memory(self) -> None:
        self._memory.look(*self._round_trip(memory.QUESTIONS))
        self._look_at_memory_at = time.monotonic() + RENEWAL_SECONDS

    def _register(self, lowest: int = 0, *, is_new_connection: bool = False) -> None:
        """Learn the generation of the histories; they get another where they may be others."""
        identity = self._server.identity + (self._mark.generation if self._mark else "")
        if identity == self._registered and not lowest and not is_new_connection:
            return
        words = ("EVALSHA", server.REGISTER.sha, 1, self._state_key)
        (reply,) = self._round_trip(
            [[*words, self._generation, identity, lowest, self._registered]]
        )
        if isinstance(reply, Exception):
            raise reply
        self._registered = identity
        self.begin_generation(reply)

    def _serve(self) -> None:
        while True:
            while not self._waiting:
                self._has_calls.clear()
                if not self._has_calls.wait(RENEWAL_SECONDS):
                    break
            if self._mark is not None and self._mark.is_due:
                self._keep_mark()
                self._register()
            if time.monotonic() >= self._look_at_memory_at:
                self._look_at_memory()
            size = 0
            while self._waiting and size < MAX_CALLS_PER_TRIP:
                self._under_way.append(errand := self._waiting.popleft())
                size += len(errand.calls)
            if not self._under_way:
                continue
            calls = [call for errand in self._under_way for call in errand.calls]
            replies = iter(self._carry_out(calls))
            errands, self._under_way = self._under_way, []
            for errand in errands:
                self._answer(errand, [next(replies) for _ in errand.calls])

    def _carry_out(self, calls: list[Call]) -> list[Any]:
        replies = self._ask(calls)
        if not any(isinstance(reply, redis.ResponseError) for reply in replies):
            return replies
        if any(isinstance(reply, redis.exceptions.NoScriptError) for reply in replies):
            # SCRIPT FLUSH: rare enough for doing it all again.
            self._greet()
            replies = self._ask(calls)
        if any(isinstance(reply, redis.ReadOnlyError) for reply in replies):
            # A replica by now: the next connection may find the new primary.
            raise redis.ConnectionError("Redis has become a read-only replica")
        return self._ask_again_where_outdated(calls, replies)

    def _ask(self, calls: list[Call]) -> list[Any]:
        commands = [self._words(call) for call in calls]
        if time.monotonic() < self._look_at:
            return self._round_trip(commands)
        *replies, replication = self._round_trip([*commands, server.QUESTIONS[1]])
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._server.look(replication)
        self._register()
        return replies

    def _ask_again_where_outdated(self, calls: list[Call], replies: list[Any]) -> list[Any]:
        lowest = max(_newer_generation(reply) for reply in replies)
        if lowest:
            self._register(lowest)
            refused = [index for index, reply in enumerate(replies) if _newer_generation(reply)]
            again = self._round_trip([self._words(calls[index]) for index in refused])
            for index, reply in zip(refused, again, strict=True):
                replies[index] = reply
        return replies

    def _round_trip(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        self._connection.send(commands)
        replies: list[Any] = []
        for _ in commands:
            try:
                replies.append(self._connection.receive())
            except redis.ResponseError as error:
                replies.append(error)
        return replies

    def _words(self, call: Call) -> list[Word]:
        keys, args = call.keys, call.args
        return ["EVALSHA", call.script.sha, len(keys), *keys, self._generation, *args]

    def _answer(self, errand: _Errand, replies: list[Any]) -> None:
        for reply in replies:
            if isinstance(reply, Exception):
                self._refusal, self._refused_at = str(reply), time.monotonic()
                errand.fail(f"Redis refuses: {reply}")
                return
        errand.answers.set(replies)

    def _gain(self) -> None:
        if self._trouble is not None:
            log.info("Redis is back")
        self._trouble = self._conflict = None
        self.is_unidentified = False
        self._is_up.set()

    def _lose(self, error: Exception) -> None:
        self._is_up.clear()
        if isinstance(error, AnotherDeployment):
            if self._conflict is None:
                log.warning("nothing is published or heard: %s", error)
            self._conflict = str(error)
            self._fail_all(self._conflict)
            return
        if self._trouble is None:
            log.warning("Redis is away: %s", error)
        self.is_unidentified = isinstance(error, RedisUnidentified)
        self._fail_all(f"Redis is away: {error}")

    def _fail_all(self, why: str) -> None:
        self._trouble = why
        errands = [*self._under_way, *self._waiting]
        self._under_way = []
        self._waiting.clear()
        for errand in errands:
            errand.fail(why)

    def _repeat(self) -> bool:
        """Have what was under way sent once more; return False if it was already.

        A connection that broke says nothing about Redis: it may have been
        idle for long, or killed by an operator.
        """
        if any(errand.is_repeated for errand in self._under_way):
            return False
        for errand in self._under_way:
            errand.is_repeated = True
        self._waiting.extendleft(reversed(self._under_way))
        self._under_way = []
        return True


def _newer_generation(reply: Any) -> int:
    """Return the generation for want of which a script was refused; 0 if it was not."""
    found = _OUTDATED.search(str(reply)) if isinstance(reply, redis.ResponseError) else None
    return int(found[1]) if found else 0
