"""How guests get in to their table: by its join code, each with a token of their own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.resources import JoinedSession, Session, TableCode
from notifications.access.auth import create_token
from notifications.entrance.rates import Rates
from notifications.principal import Role
from waiter_service.actors import SYSTEM, Actor
from waiter_service.errors import JoinCodeInvalid, Missing, SessionClosedError, UnknownJoinCode
from waiter_service.join_codes import JoinCode, JoinCodes
from waiter_service.revocations import Revocations

# Longer than the longest dinner: the phone on the table must not ask again.
GUEST_TOKEN_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True)
class JoinDesk:
    """Lets guests in. ``join_url`` is the address of a page to join by, with ``{code}`` in it."""

    codes: JoinCodes
    revocations: Revocations
    rates: Rates
    join_url: str | None = None

    def join(self, code: str, address: str) -> JoinedSession:
        """Return the session that ``code`` opens, and a guest's own token. Needs an app context.

        Raises:
            JoinCodeInvalid: it opens none.
            TooManyCalls: ``address`` has sent too many such codes within a minute.
        """
        # Taken before the join: a revocation during it must cover this guest as well.
        issued_at = int(time.time())
        try:
            join = self.codes.join(code, address=address)
        except JoinCodeInvalid:
            self.rates.count_failed_join(address)
            raise
        token = create_token(
            Role.CUSTOMER,
            join.session.id,
            lifetime_seconds=GUEST_TOKEN_SECONDS,
            # By its jti it can be revoked alone.
            claims={"jti": join.token_id, "iat": issued_at},
        )
        return JoinedSession(
            session=Session.of(join.session),
            token=token,
            expires_at=datetime.now(UTC) + timedelta(seconds=GUEST_TOKEN_SECONDS),
        )

    def make_code(self, session_id: str, actor: Actor) -> TableCode:
        """Return a new code for a table; the previous one ends."""
        return self._with_page(self.codes.make(session_id, actor=actor))

    def current_code(self, session_id: str, actor: Actor) -> TableCode:
        """Return the code of a table.

        Raises:
            UnknownJoinCode: it has none.
        """
        code = self.codes.current(session_id, actor=actor)
        if code is None:
            raise UnknownJoinCode(session_id)
        return self._with_page(code)

    def code_for(self, session_id: str, actor: Actor) -> TableCode:
        """Return the code of an open table, making one where there is none."""
        code = self.codes.current(session_id, actor=actor)
        return self._with_page(code) if code else self.make_code(session_id, actor)

    def code_to_show(self, session_id: str) -> str | None:
        """Return the code for one of the restaurant's own screens; None if guests cannot join."""
        try:
            return self.code_for(session_id, SYSTEM).join_code
        except (Missing, SessionClosedError):
            return None

    def _with_page(self, code: JoinCode) -> TableCode:
        url = self.join_url.replace("{code}", code.code) if self.join_url is not None else None
        return TableCode(join_code=code.code, join_code_expires_at=code.expires_at, join_url=url)
