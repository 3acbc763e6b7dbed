"""Which server answers, and whether its data can be what we left there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from notifications.redis.scripts import Script

#: Milliseconds the generation is kept after the last process connected: longer than
#: any history, which is kept for a week and a half at most (SSE_HISTORY_SECONDS).
STATE_MS = 14 * 24 * 3600 * 1000

#: Asked at every connect, and the second of them about every second while connected.
QUESTIONS = (("INFO", "server"), ("INFO", "replication"))

# KEYS: the hash that says which server the histories are of, and their generation.
# ARGV: the generation we know, the server's identity, the lowest generation that will
# do, the identity that we knew (empty: none). Returns the generation of the histories.
REGISTER = Script(f"""
local known = redis.call('HMGET', KEYS[1], 'server', 'generation')
local generation = math.max(tonumber(known[2]) or 0, ARGV[3], 1)
if known[1] ~= ARGV[2] then
  generation = math.max(generation, ARGV[1])
  -- Missing where Redis was emptied: then the histories have ended with it.
  local before = known[1] or ARGV[4]
  if before ~= '' and before ~= ARGV[2] then generation = generation + 1 end
end
-- Nothing to write is the usual case, and possible where Redis has no memory left.
if known[1] ~= ARGV[2] or tonumber(known[2]) ~= generation then
  redis.call('HSET', KEYS[1], 'server', ARGV[2], 'generation', generation)
end
redis.call('PEXPIRE', KEYS[1], {STATE_MS})
return generation
""")


_GENERATION = """
local generation = math.max(tonumber(redis.call('HGET', KEYS[1], 'generation')) or 0, ARGV[1])
"""

# ARGV: the generation we know. Returns the generation, and what is remembered with it.
REMEMBERED = Script(_GENERATION + "return {generation, redis.call('HGET', KEYS[1], 'remembered')}")

# ARGV: the generation we know, what to remember, what must be remembered now, by how
# much the generation rises. Returns the generation.
REMEMBER = Script(f"""
{_GENERATION}
if (redis.call('HGET', KEYS[1], 'remembered') or '') ~= ARGV[3] then return generation end
generation = generation + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'remembered', ARGV[2], 'generation', generation)
redis.call('PEXPIRE', KEYS[1], {STATE_MS})
return generation
""")

ALL = (REGISTER, REMEMBERED, REMEMBER)


class RedisIsReplica(redis.ConnectionError):
    """It takes no writes; the primary has to be found."""


class RedisUnidentified(redis.ConnectionError):
    """It does not say which server it is, so nobody could know that its data went back."""


class RedisServer:
    """What one connected server says of itself.

    The run id changes when the server is restarted, the replication id when it
    becomes a primary again after having been a replica: whoever goes on under the
    same two has lost nothing. Under any other it may have lost its newest writes.
    """

    def __init__(self) -> None:
        self._run_id = ""
        self._replication_id = ""

    @property
    def identity(self) -> str:
        """What tells this server's data from what it may have lost."""
        return f"{self._run_id}-{self._replication_id}"

    def meet(self, answers: Sequence[Any]) -> None:
        """Take the answers to ``QUESTIONS``.

        Raises:
            RedisIsReplica, RedisUnidentified: see there.
        """
        server, replication = answers
        self._run_id = info_field(server, "run_id")
        self.look(replication)

    def look(self, replication: Any) -> None:
        """Take the answer to the second question.

        Raises: like ``meet``.
        """
        if info_field(replication, "role") == "slave":
            primary = (
                f"{info_field(replication, 'master_host')}:{info_field(replication, 'master_port')}"
            )
            raise RedisIsReplica(
                f"it is a read-only replica of {primary}, and the service needs a primary"
            )
        self._replication_id = info_field(replication, "master_replid")
        if not self._run_id and not self._replication_id:
            raise RedisUnidentified(
                "it does not say which server it is, so lost events could not be noticed; "
                "allow the command INFO to this user (ACL SETUSER ... +info)"
            )


def info_field(info: Any, name: str) -> str:
    """Return one field of an answer to INFO; empty where it is missing or was refused."""
    if isinstance(info, bytes):
        start = f"{name}:".encode()
        for line in info.splitlines():
            if line.startswith(start):
                return line.removeprefix(start).decode("ascii", "replace")
    return ""
