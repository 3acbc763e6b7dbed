"""One connection to one Redis server, which all greenlets of a process share.

Calls wait in a queue. One greenlet sends all that wait together and reads the answers
in the same order. So many calls at a time cost few round trips, the connection has one
owner, and a caller that is killed while it waits leaves no half-read answer behind.

Rejected: redis-py's pool and its clients, which take a connection for each call under
way. See docs/decisions/0011-one-link-per-redis-server.md.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import gevent
import redis
from gevent.event import AsyncResult, Event

from notifications.errors import BrokerUnavailable
from notifications.redis.backoff import Backoff
from notifications.redis.checks import RedisChecks
from notifications.redis.connection import (
    CONNECTION_FAILURES,
    TIMEOUT_SECONDS,
    RedisConnection,
)
from notifications.redis.generation import Generation
from notifications.redis.keys import RedisKeys
from notifications.redis.mark import RENEWAL_SECONDS, AnotherDeployment, RedisMark
from notifications.redis.runner import ScriptRunner
from notifications.redis.script import Call
from notifications.redis.server import RedisUnidentified

log = logging.getLogger("notifications.redis")

#: How long a caller waits if everything else fails: both timeouts, twice.
ANSWER_SECONDS = 4 * TIMEOUT_SECONDS

#: Calls that travel together: some 500 KB, 10 ms of Redis's time.
MAX_CALLS_PER_TRIP = 512

#: Calls that may wait. At 20,000 a second that is half a second's worth; a caller
#: beyond it would wait too long anyway.
MAX_WAITING = 10_000

#: Seconds that a refusal (out of memory, read-only) counts against our health. While it
#: lasts, the report that every process sends each second renews it.
REFUSAL_SECONDS = 5.0


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

    ``new_connection`` makes a connection that is not open yet. While the prefix of
    ``keys`` is another deployment's, by its ``mark``, Redis counts as away.
    """

    def __init__(
        self,
        new_connection: Callable[[], RedisConnection],
        keys: RedisKeys,
        *,
        mark: RedisMark | None = None,
    ) -> None:
        self._new_connection = new_connection
        self._connection = new_connection()
        self._runner = ScriptRunner(self._connection)
        self._checks = RedisChecks(keys, mark)
        self._waiting: deque[_Errand] = deque()
        self._under_way: list[_Errand] = []
        self._has_calls = Event()
        self._is_up = Event()
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        #: Whether the last server we met did not say which it is.
        self.is_unidentified = False
        #: What another deployment under our prefix keeps us from, in a sentence.
        self.conflict: str | None = None
        # Why calls fail at once; None also before the first attempt to connect,
        # whose outcome callers wait for.
        self._trouble: str | None = None
        self._refusal = ""
        self._refused_at = float("-inf")

    def start(self) -> None:
        """Begin to connect. Idempotent; the first call does the same."""
        if self._greenlet is None:
            self._trouble = None
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Close the connection; calls fail until the next ``start``. Idempotent."""
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
        """How many keys Redis has evicted since it started, as far as we know."""
        return self._checks.memory.evicted_keys

    @property
    def generation(self) -> Generation:
        """The generation of the histories in Redis."""
        return self._checks.generation

    def require_no_conflict(self) -> None:
        """Make sure that what is under our prefix is ours, as far as we know.

        Raises:
            BrokerUnavailable: it is another deployment's.
        """
        if self.conflict is not None:
            raise BrokerUnavailable(self.conflict)

    def wait_until_up(self) -> None:
        """Wait for Redis, however long it takes."""
        self._is_up.wait()

    def call(self, *calls: Call) -> list[Any]:
        """Return the answers to ``calls``, in their order; they travel together.

        Switches greenlets. If the connection breaks between a command and its answer, the
        call is made again, so each must have the same effect twice as once.

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
        backoff = Backoff()
        while True:
            self._connection = self._new_connection()
            self._runner = ScriptRunner(self._connection)
            is_open = False
            try:
                self._connection.open()
                self._checks.begin(self._runner)
                is_open = True
                backoff.reset()
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
            backoff.pause()

    def _serve(self) -> None:
        while True:
            while not self._waiting:
                self._has_calls.clear()
                if not self._has_calls.wait(RENEWAL_SECONDS):
                    break
            self._checks.repeat(self._runner)
            size = 0
            while self._waiting and size < MAX_CALLS_PER_TRIP:
                self._under_way.append(errand := self._waiting.popleft())
                size += len(errand.calls)
            if not self._under_way:
                continue
            calls = [call for errand in self._under_way for call in errand.calls]
            answers = iter(self._checks.run(self._runner, calls))
            errands, self._under_way = self._under_way, []
            for errand in errands:
                self._answer(errand, [next(answers) for _ in errand.calls])

    def _answer(self, errand: _Errand, answers: list[Any]) -> None:
        for answer in answers:
            if isinstance(answer, Exception):
                self._refusal, self._refused_at = str(answer), time.monotonic()
                errand.fail(f"Redis refuses: {answer}")
                return
        errand.answers.set(answers)

    def _gain(self) -> None:
        if self._trouble is not None:
            log.info("Redis is back")
        self._trouble = self.conflict = None
        self.is_unidentified = False
        self._is_up.set()

    def _lose(self, error: Exception) -> None:
        self._is_up.clear()
        if isinstance(error, AnotherDeployment):
            if self.conflict is None:
                log.warning(
                    "nothing is published or heard", extra={"fields": {"error": str(error)}}
                )
            self.conflict = str(error)
            self._fail_all(self.conflict)
            return
        if self._trouble is None:
            log.warning("Redis is away", extra={"fields": {"error": str(error)}})
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
        """Queue what was under way once more; return False if it was already repeated.

        A connection that broke does not mean that Redis is away: it may have been idle
        for long, or an operator may have closed it.
        """
        if any(errand.is_repeated for errand in self._under_way):
            return False
        for errand in self._under_way:
            errand.is_repeated = True
        self._waiting.extendleft(reversed(self._under_way))
        self._under_way = []
        return True
