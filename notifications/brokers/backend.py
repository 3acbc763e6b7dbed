"""The one place that chooses where events, counts and pending refreshes are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from notifications.brokers.base import Broker, HistoryLimits
from notifications.brokers.memory.broker import MemoryBroker
from notifications.brokers.presence import OnlyProcess, Presence
from notifications.refresh.batch_store import BatchStore, MemoryBatches


@dataclass(frozen=True, slots=True)
class Backend:
    """What the processes of a deployment share, or what the only one keeps for itself."""

    broker: Broker
    presence: Presence
    batches: BatchStore


def choose_backend(
    *,
    limits: HistoryLimits,
    redis_url: str | None,
    redis_prefix: str,
    deployment: str,
    history_path: Path,
) -> Backend:
    """Return the backend in Redis if there is a ``redis_url``, else the one in memory.

    ``deployment`` is the same text in every process of a deployment. ``history_path`` is
    where one process leaves the history in memory for the next. Nothing is connected or
    read yet.
    """
    if not redis_url:
        return Backend(
            MemoryBroker(limits, history_path=history_path), OnlyProcess(), MemoryBatches()
        )
    # Without Redis, a start does not wait for redis-py to be imported.
    from notifications.brokers.redis.broker import RedisBroker
    from notifications.brokers.redis.presence import RedisPresence
    from notifications.refresh.redis_batch_store import RedisBatches

    broker = RedisBroker(redis_url, limits, prefix=redis_prefix, deployment=deployment)
    return Backend(
        broker,
        RedisPresence(broker.link, broker.keys),
        RedisBatches(broker.link, broker.keys),
    )
