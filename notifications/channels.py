"""The channels: their names, and whom each is for.

A channel is an audience: everyone who follows one session, or one waiter. Which events go to
which channels is said in the events' own files; who may follow a channel, in
``Principal.may_hear``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: The kinds of channels, and what is heard on each, for the documents.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "session": "What the guests at a table are told.",
        "waiter": "What a waiter is told of the tables they hold.",
    }
)


def channel_name(kind: str, channel_id: str) -> str:
    """Return the channel of one of ``KINDS``: ``session:table-7``."""
    return f"{kind}:{channel_id}"


def channel_kind(channel: str) -> str:
    """Return the kind of ``channel``: ``session``."""
    return channel.partition(":")[0]


def session_channel(session_id: str) -> str:
    """Return the channel of the guests of one session."""
    return channel_name("session", session_id)


def waiter_channel(waiter_id: str) -> str:
    """Return the channel of one waiter."""
    return channel_name("waiter", waiter_id)
