"""Decides who may open a stream. The blueprint and the door both ask it.

::

    blueprint (Flask) -----------------.
                                        >--> StreamEntrance --> SseService
    door (a shortcut, under gunicorn) --'
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from notifications.access.auth import Authenticator, create_stream_token
from notifications.access.stream_venues import OnlyMain, StreamVenues
from notifications.channels import KINDS
from notifications.entrance.in_band_refusal import accepts_event_stream
from notifications.entrance.rates import RateLimits, Rates
from notifications.entrance.trusted_peers import TrustedPeers
from notifications.errors import (
    AccessError,
    HistoryUnavailable,
    NotAllowed,
    NotAuthenticated,
    SessionOver,
    StreamRefused,
)
from notifications.principal import Principal, Role
from notifications.streams.admission import RETRY_AFTER_SECONDS
from notifications.streams.body import Handover, StreamBody
from notifications.streams.service import SseService
from waiter_service.actors import ALL_VENUES
from waiter_service.errors import DatabaseError
from waiter_service.inputs import is_identifier

log = logging.getLogger("notifications.streams")

STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # no-transform: a proxy that compresses would hold events back.
    "Cache-Control": "no-store, no-transform",
    # nginx must not collect the events, whatever its configuration says.
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}

#: The path of a stream: a kind of channel, and an id.
STREAM_PATH = rf"/sse/({'|'.join(KINDS)})/([A-Za-z0-9._-]+)"

IsOver = Callable[[str, str], bool]
"""Returns whether the session or waiter was closed, so that its channel stays silent."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What a client sends to ask for a stream.

    ``bearer_token`` comes from the Authorization header, ``bare_token`` from the
    query or a cookie. ``client`` is for the log. ``peer`` is the address at the
    other end of the connection, if it has one; ``accept``, ``refusals`` and
    ``request_id`` are the headers ``Accept``, ``X-Refusals`` and ``X-Request-ID``.
    """

    kind: str
    channel_id: str
    bearer_token: str | None = field(default=None, repr=False)
    bare_token: str | None = field(default=None, repr=False)
    last_event_id: str | None = None
    client: str = "-"
    peer: str | None = None
    accept: str | None = None
    refusals: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class StreamPass:
    """A token that opens streams and nothing else, when it ends, and the path it is for."""

    token: str = field(repr=False)
    ends_at: datetime
    path: str


class StreamEntrance:
    """Opens streams of ``sse`` for clients that may follow them; an error says why not."""

    def __init__(
        self,
        sse: SseService,
        authenticator: Authenticator,
        *,
        is_over: IsOver = lambda kind, channel_id: False,
        venues: StreamVenues | None = None,
        rates: Rates | None = None,
    ) -> None:
        self._rates = rates or Rates(RateLimits.none())
        self._trusted_peers = TrustedPeers()
        self.write_deadline_seconds = sse.options.write_deadline_seconds
        self._sse = sse
        self._authenticator = authenticator
        self._is_over = is_over
        self.venues = venues or StreamVenues(OnlyMain(), sse.streams)

    def admit(self, asked: StreamRequest) -> tuple[Principal, str]:
        """Return the bearer, if they may follow the stream that is asked for, and its venue.

        Switches greenlets only if the venue must be read.

        Raises:
            NotAuthenticated: there is no token, or it is not good.
            NotAllowed: the token is for another stream, or the session was closed.
            TooManyOpens: the bearer opens too many streams within a minute.
            HistoryUnavailable: the venue must be read, and the database does not answer.
        """
        principal = self._bearer(asked)
        self._rates.count_open(principal)
        return principal, self._require_access(principal, asked.kind, asked.channel_id)

    def open(self, asked: StreamRequest, handover: Handover | None) -> StreamBody:
        """Return the body of the stream that the request names. May switch greenlets.

        Raises:
            AccessError: as :meth:`admit` does.
            StreamRefused: the stream cannot be opened at the moment.
        """
        # Wait for the turn first: the checks below are most of the CPU that a connect costs.
        self._sse.admission.wait_for_turn()
        principal, venue_id = self.admit(asked)
        return self._sse.open(
            asked.kind,
            asked.channel_id,
            principal,
            venue_id=venue_id,
            client=asked.client,
            last_event_id=asked.last_event_id,
            handover=handover,
        )

    def trust(self, peers: Iterable[str]) -> None:
        """Believe only these peers about the client's address and about refusals."""
        self._trusted_peers = TrustedPeers(peers)

    def client_of(self, peer: str | None, forwarded_for: str | None) -> str:
        """Return the client's address: the peer's, or the one that a trusted proxy names."""
        return self._trusted_peers.client_of(peer, forwarded_for)

    def refuses_in_band(self, asked: StreamRequest) -> bool:
        """Return whether a refusal goes to the client inside a stream, not as a status."""
        is_status_asked = asked.refusals == "status" and self._trusted_peers.include(asked.peer)
        return accepts_event_stream(asked.accept) and not is_status_asked

    def note_refusal(self, asked: StreamRequest, refusal: AccessError | StreamRefused) -> None:
        """Count and log a stream that was not opened."""
        self._sse.stats.refused[refusal.cause] += 1
        fields = {
            "channel": f"{asked.kind}:{asked.channel_id[:64]}",
            "client": asked.client,
            "cause": refusal.cause,
        }
        log.info("stream refused", extra={"fields": fields})

    def note_failure(self, address: str) -> None:
        """Count a request from ``address`` without a good token.

        Raises:
            TooManyCalls: there were too many from this address within a minute.
        """
        self._rates.count_failure(address)

    def full_bearer(
        self, bearer_token: str | None, address: str, *, is_change: bool = False
    ) -> Principal:
        """Return the bearer of a full token, and count the call.

        A call without a good token is counted by the ``address`` it comes from.

        Raises:
            NotAuthenticated: there is no token, or it is not good.
            NotAllowed: it is a stream token.
            TooManyCalls: the bearer, or the address, makes too many calls within a minute.
            TooManyChanges: the guests of a session change too much within a minute.
            TooManyVenueCalls, TooManyVenueChanges: the bearers of a venue do so together.
            DatabaseError: a guest's venue must be read, and the database does not answer.
        """
        try:
            if bearer_token is None:
                raise NotAuthenticated("A token is required: Authorization: Bearer <token>.")
            principal = self._authenticator.authenticate(bearer_token)
        except NotAuthenticated:
            self._rates.count_failure(address)
            raise
        self._rates.count_call(principal)
        if is_change:
            self._rates.count_change(principal)
        self._count_in_venue(principal, is_change=is_change)
        if principal.is_stream_token:
            raise NotAllowed("A stream token opens streams, and nothing else.")
        return principal

    def exchange(self, principal: Principal, path: str | None = None) -> StreamPass:
        """Return a short-lived token of ``principal`` for the stream at ``path``.

        ``path`` is their own stream by default, and ``/sse`` for a bearer who has none.
        Needs an app context.

        Raises:
            NotAllowed: that stream is not theirs, has ended, or does not exist.
            HistoryUnavailable: its venue must be read, and the database does not answer.
        """
        if path is None and principal.own_stream is not None:
            path = "/sse/{}/{}".format(*principal.own_stream)
        if principal.role is Role.SERVICE:
            raise NotAllowed
        if path is not None:
            named = re.fullmatch(STREAM_PATH, path)
            if named is None:
                raise NotAllowed
            self._require_access(principal, named[1], named[2])
        token, ends_at = create_stream_token(principal)
        return StreamPass(token, ends_at, path or "/sse")

    def _count_in_venue(self, principal: Principal, *, is_change: bool) -> None:
        if not self.venues.are_several:
            return
        venue_id = principal.venue
        if principal.role is Role.CUSTOMER:
            venue_id = self.venues.venue_of("session", principal.subject)
        # Those who manage all venues have a limit of their own, and use up no venue's.
        if venue_id != ALL_VENUES:
            self._rates.count_in_venue(venue_id, is_change=is_change)

    def _bearer(self, asked: StreamRequest) -> Principal:
        if asked.bearer_token is not None:
            return self._authenticator.authenticate(asked.bearer_token)
        if not asked.bare_token:
            raise NotAuthenticated("A token is required.")
        principal = self._authenticator.authenticate(asked.bare_token)
        if not principal.is_stream_token:
            # Query strings end up in logs and histories, so a token in one must be
            # short-lived and good for nothing else.
            raise NotAuthenticated(
                "Only a stream token may be sent this way; POST /sse/token makes one."
            )
        return principal

    def _require_access(self, principal: Principal, kind: str, channel_id: str) -> str:
        """Return the venue of the stream if the bearer may follow it."""
        # First what needs no read: who asks for the streams of others must not cost one each.
        is_foreign = principal.own_stream not in (None, (kind, channel_id))
        if is_foreign or not is_identifier(channel_id):
            raise NotAllowed
        try:
            self.venues.expect(principal)
            venue_id = self.venues.venue_of(kind, channel_id)
        except DatabaseError as error:
            raise HistoryUnavailable(
                "Live updates are not available at the moment.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ) from error
        if not principal.may_hear(kind, channel_id, venue_id):
            raise NotAllowed
        if self._is_over(kind, channel_id):
            raise SessionOver
        return venue_id
