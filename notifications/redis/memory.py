"""Whether Redis evicts what it should keep."""

from __future__ import annotations

import logging
from typing import Any

from notifications.redis.server import info_field

log = logging.getLogger("notifications.redis")

#: Asked as a connection begins, and every few seconds after that.
QUESTIONS = (("INFO", "memory"), ("INFO", "stats"))

#: With any other policy Redis drops histories and idempotency keys when it is full,
#: instead of refusing to take more.
POLICY = "noeviction"


class RedisMemory:
    """Logs once that Redis has another eviction policy, and each time that it has evicted.

    Logs nothing if our user may not use INFO.
    """

    def __init__(self) -> None:
        #: Keys that the server has evicted since it started, ours and others'.
        self.evicted_keys = 0
        self._policy = ""

    def look(self, memory: Any, stats: Any) -> None:
        """Take the answers to ``QUESTIONS``."""
        policy = info_field(memory, "maxmemory_policy")
        if policy not in ("", self._policy, POLICY):
            log.warning(
                "Redis may evict histories: set its maxmemory-policy to noeviction",
                extra={"fields": {"policy": policy}},
            )
        self._policy = policy or self._policy
        evicted = int(info_field(stats, "evicted_keys") or self.evicted_keys)
        if evicted > self.evicted_keys:
            log.warning(
                "Redis has evicted keys; give it more memory, and the policy noeviction",
                extra={"fields": {"keys": evicted - self.evicted_keys}},
            )
        # If there are fewer, it was restarted and counts from 0.
        self.evicted_keys = evicted
