"""Which server answers, and whether its data can be what we left there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

#: Milliseconds the generation is kept after the last process connected: longer than
#: any history, which is kept for a week and a half at most (SSE_HISTORY_SECONDS).
STATE_MS = 14 * 24 * 3600 * 1000

#: Asked as a connection begins, and the second one about every second after that.
QUESTIONS = (("INFO", "server"), ("INFO", "replication"))


class RedisIsReplica(redis.ConnectionError):
    """The server takes no writes; the next connection may reach the primary."""


class RedisUnidentified(redis.ConnectionError):
    """The server does not say which it is, so we could not notice that its data went back."""


class RedisServer:
    """What one connected server says of itself.

    The run id changes when the server is restarted, and the replication id when it
    becomes a primary again after having been a replica. A server with the same two has
    lost nothing; any other may have lost its newest writes.
    """

    def __init__(self) -> None:
        self._run_id = ""
        self._replication_id = ""

    @property
    def identity(self) -> str:
        """What tells this server's data from data that may have lost writes."""
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
