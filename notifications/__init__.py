"""How a change reaches a screen: events, their channels, and the streams that carry them.

A program that uses the service imports its names from here::

    from notifications import MemoryBroker, NotificationService

    NotificationService(MemoryBroker()).notify_session_transfer(
        session_id="table-7", waiter_id="ben", previous_waiter_id="anna", table_number=7
    )

All errors are in ``notifications.errors``.

Each name is imported when it is first used. gunicorn's master imports a few small modules of
this package, and must not load a database driver or the Redis client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from notifications.brokers.base import Broker, HistoryLimits
    from notifications.brokers.memory.broker import MemoryBroker
    from notifications.errors import (
        BrokerUnavailable,
        InvalidNotification,
        NotificationError,
        NotServing,
    )
    from notifications.events.cache_refresh import AffectedData
    from notifications.publishing.listener import FloorListener
    from notifications.publishing.notification_service import NotificationService
    from notifications.refresh.batch import Batch
    from notifications.refresh.service import CacheRefreshService
    from notifications.refresh.stats import RefreshStats
    from notifications.refresh.trigger import Priority

__all__ = [
    "AffectedData",
    "Batch",
    "Broker",
    "BrokerUnavailable",
    "CacheRefreshService",
    "FloorListener",
    "HistoryLimits",
    "InvalidNotification",
    "MemoryBroker",
    "NotServing",
    "NotificationError",
    "NotificationService",
    "Priority",
    "RefreshStats",
]

_MODULES = {
    "AffectedData": "events.cache_refresh",
    "Batch": "refresh.batch",
    "Broker": "brokers.base",
    "BrokerUnavailable": "errors",
    "CacheRefreshService": "refresh.service",
    "FloorListener": "publishing.listener",
    "HistoryLimits": "brokers.base",
    "InvalidNotification": "errors",
    "MemoryBroker": "brokers.memory.broker",
    "NotServing": "errors",
    "NotificationError": "errors",
    "NotificationService": "publishing.notification_service",
    "Priority": "refresh.trigger",
    "RefreshStats": "refresh.stats",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
