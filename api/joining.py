"""Operations on join codes: how guests get to a table."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import segno

from api.bodies import JoinTable
from api.call import Answer, Call
from api.resources import GuestJoin, GuestJoins, JoinedSession, Revoked, Session, TableCode
from notifications.errors import NotAllowed
from waiter_service.actors import SYSTEM, Actor, ActorKind
from waiter_service.errors import JoinCodeInvalid, Missing, SessionClosedError, UnknownJoinCode
from waiter_service.join_codes import JoinCode, JoinCodes
from waiter_service.revocations import Revocations

GuestToken = Callable[[str, str, int], tuple[str, datetime]]
"""From a session's id, a ``jti`` and when it was issued to a guest's token, and its end."""


CountFailedJoin = Callable[[str], None]
"""Counts a wrong code by the address it comes from.

It raises ``TooManyCalls`` where there were too many.
"""


@dataclass(frozen=True, slots=True)
class JoinDesk:
    """What lets guests in. ``join_url`` holds ``{code}``, where there is a page to join by."""

    codes: JoinCodes
    revocations: Revocations
    count_failure: CountFailedJoin
    guest_token: GuestToken
    join_url: str | None = None

    def join_table(self, call: Call[JoinTable]) -> Answer:
        """Join a table by its code, and get a token of one's own.

        Wrong, ended and used-up codes are answered alike. An address that sends too many of
        them is told to wait; a right code from there is taken all the same.
        """
        # Before: what is revoked while the guest joins is revoked for them as well.
        issued_at = int(time.time())
        try:
            join = self.codes.join(call.body.code, address=call.address)
        except JoinCodeInvalid:
            self.count_failure(call.address)
            raise
        token, expires_at = self.guest_token(join.session.id, join.token_id, issued_at)
        joined = JoinedSession(session=Session.of(join.session), token=token, expires_at=expires_at)
        return Answer.of(200, joined)

    def make_join_code(self, call: Call[None], session_id: str) -> Answer:
        """Make another code for a table; the one before ends. Who has joined stays."""
        return Answer.of(201, self._shown(self.codes.make(session_id, actor=call.actor)))

    def read_join_code(self, call: Call[None], session_id: str) -> Answer:
        """Read the code of a table."""
        return Answer.of(200, self._shown(self._current(session_id, call.actor)))

    def draw_join_code(self, call: Call[None], session_id: str) -> Answer:
        """Draw the code of a table as a QR code: of the page to join by, if there is one."""
        shown = self._shown(self._current(session_id, call.actor))
        drawing = io.BytesIO()
        # "m": legible with a seventh of it under a coffee stain.
        code = segno.make(shown.join_url or shown.join_code, error="m", micro=False)
        code.save(drawing, kind="svg", scale=8, title=f"Join with {shown.join_code}")
        return Answer(200, drawing.getvalue().decode(), content_type="image/svg+xml")

    def list_joins(self, call: Call[None], session_id: str) -> Answer:
        """List the guests who have joined a table: when, and from which address."""
        joins = self.codes.joins(session_id, actor=call.actor)
        return Answer.of(200, GuestJoins(joins=[GuestJoin.model_validate(each) for each in joins]))

    def revoke_join(self, call: Call[None], session_id: str, token_id: str) -> Answer:
        """Withdraw the access of one guest who has joined; the others stay. For managers."""
        self.codes.require_join(session_id, token_id, actor=call.actor)
        if call.actor.kind is not ActorKind.MANAGER:
            raise NotAllowed("This is for managers.")
        self.revocations.revoke_token(token_id)
        return Answer.of(200, Revoked(jti=token_id))

    def code_for(self, session_id: str, actor: Actor) -> TableCode:
        """Return the code of an open table, making one where there is none."""
        code = self.codes.current(session_id, actor=actor)
        return self._shown(code or self.codes.make(session_id, actor=actor))

    def code_to_show(self, session_id: str) -> str | None:
        """Return the code for a screen of the house's own; None where nobody can join."""
        try:
            return self.code_for(session_id, SYSTEM).join_code
        except (Missing, SessionClosedError):
            return None

    def _current(self, session_id: str, actor: Actor) -> JoinCode:
        code = self.codes.current(session_id, actor=actor)
        if code is None:
            raise UnknownJoinCode(session_id)
        return code

    def _shown(self, code: JoinCode) -> TableCode:
        url = self.join_url.replace("{code}", code.code) if self.join_url is not None else None
        return TableCode(join_code=code.code, join_code_expires_at=code.expires_at, join_url=url)
