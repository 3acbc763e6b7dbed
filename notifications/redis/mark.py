"""The mark that keeps two deployments from using one prefix."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import redis

from notifications.redis import scripts
from notifications.redis.keys import RedisKeys

#: Seconds a mark holds after the last process of its deployment has ended.
MARK_SECONDS = 60.0

#: Seconds between two times that each process renews it. Also how long a process
#: may go on after a Redis that was emptied under it was marked by another deployment.
RENEWAL_SECONDS = 5.0


class AnotherDeployment(redis.RedisError):
    """Another deployment's mark is under our prefix."""


class RedisMark:
    """Says which deployment uses the names under a prefix.

    ``deployment`` is the same in all processes of a deployment, and another one in
    any other. The link sends ``words`` at the beginning of each connection, and
    whenever the mark ``is_due``.
    """

    def __init__(self, keys: RedisKeys, *, deployment: str, keep_seconds: float) -> None:
        self._keys = keys
        self._deployment = deployment
        # Longer than a channel's epoch is kept: half as long again (``keep``, in the scripts).
        self._owner_ms = round(max(2 * keep_seconds, MARK_SECONDS) * 1000)
        self._due_at = 0.0
        #: Tells our part of the histories from what another deployment has left.
        self.generation = ""

    @property
    def is_due(self) -> bool:
        """Whether it is time to renew it."""
        return time.monotonic() >= self._due_at

    def renew(self, run: Callable[[list[str | int]], Any]) -> None:
        """Mark the prefix as ours; ``run`` carries out a command and returns the answer.

        Raises:
            AnotherDeployment: it is another's. A sentence says what to do.
        """
        mark, owner = self._keys.mark, self._keys.owner
        mark_ms = round(MARK_SECONDS * 1000)
        words: list[str | int] = [self._deployment, secrets.token_hex(4), mark_ms, self._owner_ms]
        reply = run(["EVALSHA", scripts.MARK.sha, 2, mark, owner, "", *words])
        if isinstance(reply, bytes):
            self.generation = reply.decode("ascii")
        elif str(reply).startswith(scripts.ANOTHER_DEPLOYMENT):
            raise AnotherDeployment(
                f"another deployment, with another database, uses the prefix {self._keys.prefix!r} "
                "in this Redis: set a REDIS_PREFIX of its own for each, or spell DATABASE_URL "
                "alike everywhere; after a move to another database, wait until all processes "
                f"with the old one have been stopped for {MARK_SECONDS:g} s"
            )
        # Any other refusal (out of memory) will meet the events, too; they tell it.
        self._due_at = time.monotonic() + RENEWAL_SECONDS
