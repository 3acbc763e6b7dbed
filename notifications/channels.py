"""The channels: their names, and the audience of each.

A channel is everyone who follows one session, or one waiter. The events' own files say which
event goes to which channels; ``Principal.may_hear`` says who may follow a channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: The kinds of channels, and what each carries, for the documents.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "session": "What the guests at a table are told.",
        "waiter": "What a waiter is told of the tables they hold.",
    }
)


def channel_name(kind: str, channel_id: str) -> str:
    """Return the channel of one of ``KINDS``, such as ``session:table-7``."""
    return f"{kind}:{channel_id}"


def channel_kind(channel: str) -> str:
    """Return the kind of ``channel``, such as ``session``."""
    return channel.partition(":")[0]


def session_channel(session_id: str) -> str:
    """Return the channel of the guests of one session."""
    return channel_name("session", session_id)


def waiter_channel(waiter_id: str) -> str:
    """Return the channel of one waiter."""
    return channel_name("waiter", waiter_id)
