"""Who is let in to a stream: what is asked of a client, whichever way it comes.

::

    sse_blueprint (Flask) ----.
                               >--> StreamEntrance --> SseService
    stream_door (gunicorn) ---'
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from notifications.auth import Authenticator, create_stream_token
from notifications.errors import NotAllowed, NotAuthenticated, SessionOver
from notifications.principal import Principal, Role
from notifications.sse_service import SseService
from notifications.stream_body import Handover, StreamBody
from waiter_service.inputs import is_identifier

STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # no-transform: a proxy that compresses would hold events back.
    "Cache-Control": "no-store, no-transform",
    # nginx must not collect the events, whatever its configuration says.
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}

_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}")

IsOver = Callable[[str, str], bool]
"""Tells of a kind and an id whether it was closed, so that nothing follows on its channel."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What a client says that asks for a stream.

    ``authorization`` is the header, ``bare_token`` what stands in the query or
    in a cookie. ``client`` is for the log.
    """

    kind: str
    channel_id: str
    authorization: str | None = field(default=None, repr=False)
    bare_token: str | None = field(default=None, repr=False)
    last_event_id: str | None = None
    client: str = "-"


class StreamEntrance:
    """Lets clients in to the streams of ``sse``, or says in an error why not."""

    def __init__(
        self,
        sse: SseService,
        authenticator: Authenticator,
        *,
        is_over: IsOver = lambda kind, channel_id: False,
    ) -> None:
        self.write_deadline_seconds = sse.options.write_deadline_seconds
        self._sse = sse
        self._authenticator = authenticator
        self._is_over = is_over

    def admit(self, asked: StreamRequest) -> Principal:
        """Return who asks, if they may hear what they ask for.

        Raises:
            NotAuthenticated: no token, or none that is good.
            NotAllowed: a good one, for something else, or for what is over.
        """
        principal = self._bearer(asked)
        is_theirs = principal.may_hear(asked.kind, asked.channel_id)
        if not (is_theirs and is_identifier(asked.channel_id)):
            raise NotAllowed
        self._require_going_on(asked.kind, asked.channel_id)
        return principal

    def open(self, asked: StreamRequest, handover: Handover | None) -> StreamBody:
        """Return the body of the stream that was asked for. May switch greenlets.

        Raises:
            AccessError: as ``admit`` does.
            StreamRefused: not now.
        """
        return self._sse.open(
            asked.kind,
            asked.channel_id,
            self.admit(asked),
            client=asked.client,
            last_event_id=asked.last_event_id,
            handover=handover,
        )

    def exchange(self, authorization: str | None) -> tuple[str, datetime]:
        """Return a short-lived token that is good for streams alone, and its end.

        Needs an app context.

        Raises:
            AccessError: as ``admit`` does.
        """
        principal = self._authenticator.authenticate(_token_in(authorization))
        if principal.is_stream_token:
            raise NotAllowed("A stream token cannot be exchanged for another.")
        if principal.role is Role.CUSTOMER:
            self._require_going_on("session", principal.subject)
        return create_stream_token(principal)

    def _bearer(self, asked: StreamRequest) -> Principal:
        if asked.authorization is not None:
            return self._authenticator.authenticate(_token_in(asked.authorization))
        if not asked.bare_token:
            raise NotAuthenticated("A token is required.")
        principal = self._authenticator.authenticate(asked.bare_token)
        if not principal.is_stream_token:
            # Query strings end up in logs and histories: what stands there must
            # be short-lived and good for nothing else.
            raise NotAuthenticated(
                "Only a stream token may be sent this way; POST /sse/token makes one."
            )
        return principal

    def _require_going_on(self, kind: str, channel_id: str) -> None:
        if self._is_over(kind, channel_id):
            raise SessionOver


def _token_in(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("A token is required: Authorization: Bearer <token>.")
    return token.strip()


def client_address(peer: str | None, forwarded_for: str | None) -> str:
    """Return the client as the proxy in front of us names it, for the log alone.

    Without one, whoever connects may call themselves what they like: believe
    it as far as the network lets only the proxy connect.
    """
    named = (forwarded_for or "").rpartition(",")[2].strip()
    return named if _ADDRESS.fullmatch(named) else peer or "-"
