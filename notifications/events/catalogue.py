"""All events, found in this folder."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from notifications import channels, events
from notifications.events.floor_event import FloorEvent
from notifications.events.payload import Payload, PublishedEvent
from waiter_service.actors import MAIN_VENUE


def _found() -> tuple[type[Payload], ...]:
    """Return the class of each file that defines an event, in the order of the file names."""
    return tuple(
        kind
        for module in pkgutil.iter_modules(events.__path__, f"{events.__name__}.")
        for kind in vars(import_module(module.name)).values()
        if isinstance(kind, type)
        and issubclass(kind, Payload)
        and kind.__module__ == module.name
        and "event_type" in vars(kind)
    )


#: Every event, in the order of the documents.
EVENTS = _found()

#: The events that channels carry.
PUBLISHED = tuple(kind for kind in EVENTS if issubclass(kind, PublishedEvent))

#: The events that a stream sends about itself.
OF_THE_STREAM = tuple(kind for kind in EVENTS if kind not in PUBLISHED)


def heard_on(channel_kind: str) -> tuple[type[Payload], ...]:
    """Return the events of a stream on one of ``channels.KINDS``, in the order of the documents."""
    return tuple(kind for kind in EVENTS if _is_heard_on(channel_kind, kind))


def _is_heard_on(channel_kind: str, kind: type[Payload]) -> bool:
    if not issubclass(kind, FloorEvent):
        return True
    audience = kind.example().audience(MAIN_VENUE)
    return channel_kind in {channels.channel_kind(channel) for channel in audience}
