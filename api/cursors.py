"""Where the stream of a session or a waiter continues after a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from notifications.brokers.base import Broker
from notifications.channels import OF_A_VENUE, channel_name
from notifications.errors import BrokerUnavailable
from notifications.events.encoding import EventId
from waiter_service.actors import Actor, ActorKind
from waiter_service.inputs import is_identifier

#: A cursor that no channel knows. A stream opened with it tells its client once to
#: load everything again, so nothing is lost although the position was unknown.
UNKNOWN_CURSOR = "unknown"

T = TypeVar("T")


class Cursors:
    """Finds the cursor that belongs to a snapshot, from the channels of ``broker``."""

    def __init__(self, broker: Broker, venue_of: Callable[[str, str], str]) -> None:
        self._broker = broker
        self._venue_of = venue_of

    def read(self, kind: str, thing_id: str, actor: Actor, read: Callable[[], T]) -> tuple[str, T]:
        """Return the cursor after which the channel continues, and what ``read`` returns.

        ``kind`` is one of ``notifications.channels.KINDS``. Raises what ``read`` raises.

        A change is announced after it is committed. Whatever the channel already holds
        was therefore committed earlier, and is in what is read next; whatever is announced
        later follows the cursor. A change between the two may be in both, and is recognised
        by its version. In the other order, a change that is committed after the reading and
        announced before the cursor is taken would be in neither.

        A channel without a position gets one only after the reading has shown that the thing
        exists: a caller who tries ids must not fill the broker's memory. Every event on
        such a channel comes after this call began, so the cursor is the channel's beginning.
        """
        if kind in OF_A_VENUE:
            is_foreign = not actor.covers(thing_id)
        else:
            owner = ActorKind.GUEST if kind == "session" else ActorKind.WAITER
            is_foreign = actor.kind is owner and actor.id != thing_id
        if is_foreign or not is_identifier(thing_id):
            return "", read()  # which refuses
        channel = channel_name(self._venue_of(kind, thing_id), kind, thing_id)
        cursor = self._known(channel)
        found = read()
        return cursor or self._first(channel), found

    def _known(self, channel: str) -> str | None:
        """Return the channel's present end; None where it has no position. Keeps nothing."""
        try:
            tip = self._broker.known_tip(channel)
        except BrokerUnavailable:
            return UNKNOWN_CURSOR
        return None if tip is None else str(tip)

    def _first(self, channel: str) -> str:
        """Return the channel's beginning; gives it a position where it has none."""
        try:
            tip = self._broker.tip(channel)
        except BrokerUnavailable:
            return UNKNOWN_CURSOR
        return str(EventId(tip.epoch, 0))
