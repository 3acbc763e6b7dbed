"""All events, found in this folder."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from notifications import events
from notifications.events.payload import Payload, PublishedEvent


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
