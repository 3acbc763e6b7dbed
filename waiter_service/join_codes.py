"""Join codes: what guests at a table type or scan to get tokens of their own.

A code is not stored. It is derived from a random number, which is stored, and a key, which
is not. It is looked up by a digest that needs the same key. So a copy of the database
opens no table, and yet the code can be shown again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from waiter_service import inputs
from waiter_service.actors import Actor
from waiter_service.clock import Clock, utc_now
from waiter_service.errors import JoinCodeInvalid, NotPermitted, SessionClosedError, UnknownJoin
from waiter_service.floor.unit_of_work import WANTED, session_lock
from waiter_service.inputs import MAX_ID_CHARS
from waiter_service.queries import session_for
from waiter_service.revocations import end_codes
from waiter_service.store.database import Database
from waiter_service.store.models import AuditRow, JoinCodeRow, SessionRow
from waiter_service.views import SessionView

#: Crockford's base 32: no I, L, O and U.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_CHARS = 12  # 60 bits
GROUP_CHARS = 4

#: Longer than the longest dinner, so that late guests can still join.
VALID_FOR = timedelta(hours=12)

#: The audit's action for a guest who joins.
JOINED = "guest_joined"

_LOCK = session_lock(SessionRow.id == WANTED)

_READ_AS = str.maketrans("OIL", "011", "- \t\r\n")


@dataclass(frozen=True, slots=True)
class JoinCode:
    """A table's code as people read it, ``ABCD-EFGH-JKMN``, and when it expires."""

    session_id: str
    code: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Join:
    """A guest who has joined: ``token_id`` becomes the ``jti`` of the guest's token."""

    session: SessionView
    token_id: str


@dataclass(frozen=True, slots=True)
class GuestJoined:
    """What the audit holds about a guest who joined: the token's ``jti``, when, from where."""

    jti: str
    joined_at: datetime
    address: str


class JoinCodes:
    """Makes, shows and redeems join codes.

    Args:
        keys: the secrets from which codes are derived, the current one first. The others keep
            codes from before a rotation valid.
        max_guests: how many guests may join by one code.
    """

    def __init__(
        self,
        database: Database,
        keys: Sequence[str],
        *,
        max_guests: int = 20,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._keys = [hmac.digest(key.encode(), b"join codes", "sha256") for key in keys]
        self._max_guests = max_guests
        self._clock = clock

    def make(self, session_id: str, *, actor: Actor) -> JoinCode:
        """Return a new code for the open session ``session_id``; the previous code ends.

        Raises:
            UnknownSession, NotPermitted: it does not exist, or is not theirs; guests may not.
            SessionClosedError: the session is closed.
        """
        with self._database.writing() as orm:
            # Locked first, so that it is neither closed nor transferred meanwhile.
            orm.scalar(_LOCK, {"wanted": session_id if inputs.is_identifier(session_id) else ""})
            session = _session_for_staff(orm, session_id, actor)
            if session.closed_at is not None:
                raise SessionClosedError(session_id)
            end_codes(orm, JoinCodeRow.session_id == session_id)
            nonce = secrets.token_hex(16)
            code = _code(self._keys[0], nonce)
            made = JoinCode(session_id, _in_groups(code), self._clock() + VALID_FOR)
            orm.add(
                JoinCodeRow(
                    session_id=session_id,
                    nonce=nonce,
                    digest=_digest(self._keys[0], code),
                    expires_at=made.expires_at,
                    guests=0,
                )
            )
            return made

    def current(self, session_id: str, *, actor: Actor) -> JoinCode | None:
        """Return the valid code, or None.

        Raises:
            UnknownSession, NotPermitted: it does not exist, or is not theirs; guests may not.
        """
        with self._database.reading() as orm:
            _session_for_staff(orm, session_id, actor)
            row = orm.get(JoinCodeRow, session_id)
        if row is None or row.expires_at <= self._clock() or row.guests >= self._max_guests:
            return None
        for key in self._keys:
            code = _code(key, row.nonce)
            if hmac.compare_digest(_digest(key, code), row.digest):
                return JoinCode(session_id, _in_groups(code), row.expires_at)
        return None  # made with a key that is no longer known

    def join(self, text: str, *, address: str) -> Join:
        """Let one more guest in by a code, in any spelling, and record it in the audit.

        If several come at once, exactly as many get in as the code allows.

        Raises:
            JoinCodeInvalid: malformed, unknown, expired or used up.
        """
        code = _read(text)
        digests = [_digest(key, code) for key in self._keys]
        is_good = (
            JoinCodeRow.digest.in_(digests),
            JoinCodeRow.expires_at > self._clock(),
            JoinCodeRow.guests < self._max_guests,
        )
        # Callers who guess codes must not make writers wait.
        with self._database.reading() as orm:
            if orm.scalar(select(JoinCodeRow.session_id).where(*is_good)) is None:
                raise JoinCodeInvalid
        with self._database.writing() as orm:
            # One statement finds the code and counts the guest, so none comes in between.
            session_id = orm.scalar(
                update(JoinCodeRow)
                .where(*is_good)
                .values(guests=JoinCodeRow.guests + 1)
                .returning(JoinCodeRow.session_id)
                .execution_options(synchronize_session=False)
            )
            session = None if session_id is None else orm.get(SessionRow, session_id)
            if session is None:
                raise JoinCodeInvalid
            token_id = str(uuid.uuid4())
            orm.execute(
                insert(AuditRow).values(
                    occurred_at=self._clock(),
                    actor_kind="guest",
                    actor_id=session.id,
                    action=JOINED,
                    subject_kind="session",
                    subject_id=session.id,
                    session_id=session.id,
                    from_value=address[:MAX_ID_CHARS],
                    to_value=token_id,
                    version=session.version,
                )
            )
            return Join(SessionView.of(session), token_id)

    def joins(self, session_id: str, *, actor: Actor) -> list[GuestJoined]:
        """Return the guests who have joined the session, oldest first.

        Raises:
            UnknownSession, NotPermitted: it does not exist, or is not theirs; guests may not.
        """
        row = AuditRow
        with self._database.reading() as orm:
            _session_for_staff(orm, session_id, actor)
            found = orm.execute(
                select(row.to_value, row.occurred_at, row.from_value)
                .where(
                    row.subject_kind == "session",
                    row.subject_id == session_id,
                    row.action == JOINED,
                )
                .order_by(row.id)
            )
            return [GuestJoined(str(jti), at, str(address)) for jti, at, address in found]

    def require_join(self, session_id: str, jti: str, *, actor: Actor) -> None:
        """Raise ``UnknownJoin`` unless a guest has joined the session with the token ``jti``."""
        if jti not in {each.jti for each in self.joins(session_id, actor=actor)}:
            raise UnknownJoin(jti)


def _session_for_staff(orm: Session, session_id: str, actor: Actor) -> SessionRow:
    session = session_for(orm, session_id, actor)
    if not actor.is_floor_staff:
        raise NotPermitted("session", session_id, actor)
    return session


def _code(key: bytes, nonce: str) -> str:
    number = int.from_bytes(hmac.digest(key, nonce.encode(), "sha256"), "big")
    return "".join(ALPHABET[number >> 5 * place & 31] for place in range(CODE_CHARS))


def _digest(key: bytes, code: str) -> str:
    return hmac.new(key, b"digest of " + code.encode(), hashlib.sha256).hexdigest()


def _in_groups(code: str) -> str:
    return "-".join(code[at : at + GROUP_CHARS] for at in range(0, CODE_CHARS, GROUP_CHARS))


def _read(text: str) -> str:
    """Return the code that ``text`` spells: any case, O for 0, I and L for 1, no hyphens.

    Raises:
        JoinCodeInvalid: it does not spell a code.
    """
    code = text.upper().translate(_READ_AS)
    if len(code) != CODE_CHARS or not set(code) <= set(ALPHABET):
        raise JoinCodeInvalid
    return code
