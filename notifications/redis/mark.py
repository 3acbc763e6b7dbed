"""The mark that keeps two deployments from using one prefix."""

from __future__ import annotations

import secrets
import time

import redis

from notifications.redis.connection import Word
from notifications.redis.keys import RedisKeys
from notifications.redis.runner import ScriptRunner
from notifications.redis.script import Call, Script

#: Seconds a mark holds after the last process of its deployment has ended.
MARK_SECONDS = 60.0

#: Seconds between two renewals by each process. If Redis is emptied and another deployment
#: marks it, a process of ours may go on for as long as this.
RENEWAL_SECONDS = 5.0

MARK = Script.load(__file__, "mark")

#: How the answer to MARK begins if another deployment holds the prefix.
ANOTHER_DEPLOYMENT = "ANOTHERDEPLOYMENT"


class AnotherDeployment(redis.RedisError):
    """Another deployment's mark is under our prefix."""


class RedisMark:
    """Says which deployment uses the names under a prefix.

    ``deployment`` is the same in all processes of a deployment and differs between
    deployments. The mark is renewed at the beginning of each connection, and whenever
    it ``is_due``.
    """

    def __init__(self, keys: RedisKeys, *, deployment: str, keep_seconds: float) -> None:
        self._keys = keys
        self._deployment = deployment
        # Longer than a channel's epoch is kept, which is half as long again as its events
        # (keep_epoch in channel.lua).
        self._owner_ms = round(max(2 * keep_seconds, MARK_SECONDS) * 1000)
        self._due_at = 0.0
        #: Tells our histories from those that another deployment has left.
        self.token = ""

    @property
    def is_due(self) -> bool:
        """Whether it is time to renew it."""
        return time.monotonic() >= self._due_at

    def renew(self, runner: ScriptRunner) -> None:
        """Mark the prefix as ours. Switches greenlets.

        Raises:
            AnotherDeployment: it is another's. The message says what to do.
        """
        mark_ms = round(MARK_SECONDS * 1000)
        args: list[Word] = [self._deployment, secrets.token_hex(4), mark_ms, self._owner_ms]
        (answer,) = runner.run([Call(MARK, [self._keys.mark, self._keys.owner], args)], 0)
        if isinstance(answer, bytes):
            self.token = answer.decode("ascii")
        elif str(answer).startswith(ANOTHER_DEPLOYMENT):
            raise AnotherDeployment(
                f"another deployment, with another database, uses the prefix {self._keys.prefix!r} "
                "in this Redis: set a REDIS_PREFIX of its own for each, or write DATABASE_URL "
                "the same way everywhere; after a move to another database, wait until all "
                f"processes with the old one have been stopped for {MARK_SECONDS:g} s"
            )
        # Any other refusal (out of memory, say) also meets the events, which report it.
        self._due_at = time.monotonic() + RENEWAL_SECONDS
