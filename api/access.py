"""What the API needs to know of tokens and streams: who asks, and where a stream goes on.

``waiter_service`` knows nothing of ``notifications``; these three functions
stand between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta

from api.joining import CountFailedJoin
from notifications.access import auth
from notifications.access.auth import Authenticator
from notifications.brokers.base import Broker
from notifications.channels import channel_name
from notifications.entrance.call_queue import CallQueue
from notifications.entrance.rates import Rates
from notifications.errors import BrokerUnavailable, NotAllowed, NotAuthenticated
from notifications.events.encoding import EventId
from notifications.principal import Principal, Role
from waiter_service import Actor

# Longer than the longest dinner: the phone on the table must not ask again.
GUEST_TOKEN_SECONDS = 12 * 3600

#: A place no channel knows. A stream opened with it tells its client, once,
#: to load everything again, so nothing is lost though nothing was known.
NO_PLACE = "unknown"

_ACTOR_OF = {
    Role.CUSTOMER: Actor.guest,
    Role.WAITER: Actor.waiter,
    Role.MANAGER: Actor.manager,
}


def actors(authenticator: Authenticator, rates: Rates) -> Callable[[str | None, str, bool], Actor]:
    """Return what turns a bearer token into who acts on the floor, counting its calls.

    Guests' calls that are to change something have a limit of their own besides. Calls
    without a good token are counted by the address they come from.
    """

    def actor_of(token: str | None, address: str, is_change: bool) -> Actor:
        try:
            principal = _principal(token)
        except NotAuthenticated:
            rates.count_failure(address)
            raise
        rates.count_call(principal)
        if is_change:
            rates.count_change(principal)
        if principal.is_stream_token:
            raise NotAllowed("A stream token opens streams, and nothing else.")
        return _ACTOR_OF[principal.role](principal.subject)

    def _principal(token: str | None) -> Principal:
        if token is None:
            raise NotAuthenticated("A token is required: Authorization: Bearer <token>.")
        return authenticator.authenticate(token)

    return actor_of


def turns(queue: CallQueue) -> Callable[[Actor, bool], AbstractContextManager[None]]:
    """Return what a call waits for until it is carried out, once it is known who calls."""

    @contextmanager
    def turn_of(actor: Actor, is_change: bool) -> Iterator[None]:
        # Apart: changes may wait for a lock in the database, and reading goes on meanwhile.
        key = f"{actor} {'changes' if is_change else 'reads'}"
        with queue.turn(key):
            yield

    return turn_of


def count_failed_join(rates: Rates) -> CountFailedJoin:
    """Return what counts wrong join codes, by address."""
    return rates.count_failed_join


def cursors(broker: Broker) -> Callable[[str, str], str | None]:
    """Return what tells the place after which a channel goes on, if it has one."""

    def cursor_of(kind: str, channel_id: str) -> str | None:
        try:
            tip = broker.known_tip(channel_name(kind, channel_id))
        except BrokerUnavailable:
            return NO_PLACE
        return None if tip is None else str(tip)

    return cursor_of


def first_cursors(broker: Broker) -> Callable[[str, str], str]:
    """Return what tells the place before everything that is on a channel."""

    def first_cursor_of(kind: str, channel_id: str) -> str:
        try:
            tip = broker.tip(channel_name(kind, channel_id))
        except BrokerUnavailable:
            return NO_PLACE
        return str(EventId(tip.epoch, 0))

    return first_cursor_of


def guest_token(session_id: str, token_id: str, issued_at: int) -> tuple[str, datetime]:
    """Return a token for one guest of a session, and its end. Needs an app context.

    ``token_id`` is its ``jti``, by which it can be revoked alone; ``issued_at`` its ``iat``.
    """
    token = auth.create_token(
        Role.CUSTOMER,
        session_id,
        lifetime_seconds=GUEST_TOKEN_SECONDS,
        claims={"jti": token_id, "iat": issued_at},
    )
    return token, datetime.now(UTC) + timedelta(seconds=GUEST_TOKEN_SECONDS)
