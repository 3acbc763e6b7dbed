"""The channels: their names, and the audience of each.

A channel is everyone who follows one session, one waiter, or a venue's floor or kitchen. The
events' own files say which event goes to which channels; ``Principal.may_hear`` says who may
follow a channel.

A name is ``<venue>:<kind>:<id>``. It begins with the venue, so that everything of one venue can
be kept together, and one event can reach all of its channels in one step. No id has a colon.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: The kinds of channels, and what each carries, for the documents.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "session": "What the guests at a table are told.",
        "waiter": "What a waiter is told of the tables they hold.",
        "floor": "Everything that happens in a venue.",
        "kitchen": "What a venue's kitchen is told of the orders.",
    }
)

#: The kinds whose id is that of a venue.
OF_A_VENUE = frozenset({"floor", "kitchen"})


def id_name(kind: str) -> str:
    """Return what the id of a channel of ``kind`` is called, such as ``session_id``."""
    return "venue_id" if kind in OF_A_VENUE else f"{kind}_id"


def channel_name(venue_id: str, kind: str, channel_id: str) -> str:
    """Return the channel of one of ``KINDS``, such as ``main:session:table-7``."""
    return f"{venue_id}:{kind}:{channel_id}"


def split_channel(channel: str) -> tuple[str, str, str]:
    """Return the venue, the kind and the id that ``channel_name`` joined."""
    venue_id, kind, channel_id = channel.split(":")
    return venue_id, kind, channel_id


def venue_of(channel: str) -> str:
    """Return the venue of ``channel``, such as ``main``."""
    return channel.partition(":")[0]


def channel_kind(channel: str) -> str:
    """Return the kind of ``channel``, such as ``session``."""
    return split_channel(channel)[1]


def session_channel(venue_id: str, session_id: str) -> str:
    """Return the channel of the guests of one session."""
    return channel_name(venue_id, "session", session_id)


def waiter_channel(venue_id: str, waiter_id: str) -> str:
    """Return the channel of one waiter."""
    return channel_name(venue_id, "waiter", waiter_id)


def floor_channel(venue_id: str) -> str:
    """Return the channel of those who watch a venue's whole floor."""
    return channel_name(venue_id, "floor", venue_id)


def kitchen_channel(venue_id: str) -> str:
    """Return the channel of a venue's kitchen."""
    return channel_name(venue_id, "kitchen", venue_id)
