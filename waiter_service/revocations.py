"""Whose access was withdrawn, of one token or of all that somebody holds; and what was closed.

Rows, and not messages: every process that serves streams reads them again a
few times a second, so a revocation reaches all of them, survives a restart,
and needs nobody to be listening when it is made.

They are found by their ids, and never by a time: a script may run on a machine whose clock
is wrong. The first serving process to see a row writes its own time into it, once. What
was issued until then is void, in every process and after every restart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    and_,
    bindparam,
    delete,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from waiter_service import inputs
from waiter_service.clock import Clock, utc_now
from waiter_service.errors import UnknownSession, UnknownWaiter
from waiter_service.store.database import Database
from waiter_service.store.models import JoinCodeRow, RevocationRow, SessionRow, WaiterRow

#: How long a revocation is kept. Tokens must not live longer than this.
KEPT_FOR = timedelta(days=30)

#: How long it is kept that a session was closed. That withdraws no access: after
#: it, whoever still holds a token of the session could open a stream again, which
#: stays silent. A guest's own token has ended by then (GUEST_TOKEN_SECONDS: 12 h).
#: Sessions are many; at 200,000 kept a worker took ten seconds to start, and 43 ms
#: for each look, four times a second.
CLOSING_KEPT_FOR = timedelta(days=1)

MAX_TOKEN_ID_CHARS = 255


class RevokedKind(StrEnum):
    """What was revoked: one token by its ``jti``, or all of a session, a waiter or a manager."""

    TOKEN = "token"  # noqa: S105 - no secret
    SESSION = "session"
    WAITER = "waiter"
    MANAGER = "manager"
    #: No access is withdrawn: a session that was closed goes on.
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens of ``subject`` issued until ``seen_at`` are void.

    Unless ``is_closing``: then the session was closed, and only its streams end.
    ``seen_at`` is None until a serving process has seen it.
    """

    id: int
    kind: RevokedKind
    subject: str
    seen_at: datetime | None
    is_closing: bool = False


# Columns: as objects of the ORM, rows cost more than twice as much. Made once, since every
# process asks four times a second.
_NEWEST = bindparam("newest", type_=BigInteger)
_MISSING: BindParameter[list[int]] = bindparam("missing", expanding=True)
_IS_NEW = or_(RevocationRow.id >= _NEWEST, RevocationRow.seen_at.is_(None))
_COLUMNS = select(
    RevocationRow.id,
    RevocationRow.kind,
    RevocationRow.subject,
    RevocationRow.seen_at,
    RevocationRow.is_closing,
).order_by(RevocationRow.id)
_FIND = _COLUMNS.where(_IS_NEW)
_FIND_MISSING_TOO = _COLUMNS.where(or_(_IS_NEW, RevocationRow.id.in_(_MISSING)))

# Rows that are stamped with one statement: databases limit its parameters.
_STAMPED_AT_ONCE = 500


class Revocations:
    """Withdraws access. Usable from any Python process."""

    def __init__(self, database: Database, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    def revoke_token(self, token_id: str) -> None:
        """Withdraw the one token whose ``jti`` is ``token_id``, and those made from it."""
        self.revoke({RevokedKind.TOKEN: token_id})

    def revoke_waiter(self, waiter_id: str) -> None:
        """Withdraw every token that was issued to ``waiter_id`` until now."""
        self.revoke({RevokedKind.WAITER: waiter_id})

    def revoke_manager(self, manager_id: str) -> None:
        """Withdraw every token that was issued to the manager ``manager_id`` until now."""
        self.revoke({RevokedKind.MANAGER: manager_id})

    def revoke_session(self, session_id: str) -> None:
        """Withdraw every token that was issued to the guests of ``session_id`` until now."""
        self.revoke({RevokedKind.SESSION: session_id})

    def revoke(self, given: Mapping[RevokedKind, str], *, must_be_known: bool = False) -> None:
        """Withdraw all that is given, or nothing.

        With ``must_be_known`` a waiter and a session must exist: a misspelt id
        withdraws nothing. Which managers and tokens there are, nothing here knows.

        Raises:
            ValidationError: something given cannot be an id of its kind.
            UnknownWaiter, UnknownSession: it must be known, and is not.
        """
        checked = {kind: _checked(kind, subject) for kind, subject in given.items()}
        with self._database.writing() as orm:
            for kind, subject in checked.items():
                if must_be_known:
                    _require_known(orm, kind, subject)
                if kind is RevokedKind.SESSION:
                    end_codes(orm, JoinCodeRow.session_id == subject)
                elif kind is RevokedKind.WAITER:
                    end_codes_of_waiter(orm, subject)
                add(orm, kind, subject, self._clock())

    def find(self, newest: int = 0, missing: Collection[int] = ()) -> list[Revocation]:
        """Return what has the id ``newest`` or a later one, by id.

        Also what nobody has stamped yet, and what has one of the ids ``missing``: on
        PostgreSQL a transaction may commit after others that got later ids.
        """
        statement = _FIND_MISSING_TOO if missing else _FIND
        parameters = {"newest": newest, **({"missing": list(missing)} if missing else {})}
        with self._database.reading() as orm:
            return [
                Revocation(id_, RevokedKind(kind), subject, seen_at, is_closing)
                for id_, kind, subject, seen_at, is_closing in orm.execute(statement, parameters)
            ]

    def stamp(self, ids: Sequence[int]) -> dict[int, datetime]:
        """Write the present into those of ``ids`` that have no stamp; return the stamps of all."""
        row = RevocationRow
        stamps: dict[int, datetime] = {}
        with self._database.writing() as orm:
            for start in range(0, len(ids), _STAMPED_AT_ONCE):
                are_theirs = row.id.in_(ids[start : start + _STAMPED_AT_ONCE])
                orm.execute(
                    update(row)
                    .where(are_theirs, row.seen_at.is_(None))
                    .values(seen_at=self._clock())
                )
                for id_, seen_at in orm.execute(select(row.id, row.seen_at).where(are_theirs)):
                    assert seen_at is not None, "we or another process have just written it"
                    stamps[id_] = seen_at
        return stamps

    def prune(self) -> None:
        """Forget what is older than it is kept; call it now and then."""
        now = self._clock()
        row = RevocationRow
        is_old = or_(
            row.seen_at < now - KEPT_FOR,
            and_(row.is_closing, row.seen_at < now - CLOSING_KEPT_FOR),
        )
        with self._database.writing() as orm:
            orm.execute(delete(row).where(is_old))


def _checked(kind: RevokedKind, subject: str) -> str:
    if kind is RevokedKind.TOKEN:
        return inputs.text("token_id", subject, max_chars=MAX_TOKEN_ID_CHARS)
    if kind is RevokedKind.MANAGER:
        return inputs.exact_text("manager_id", subject)
    return inputs.identifier(f"{kind}_id", subject)


def _require_known(orm: Session, kind: RevokedKind, subject: str) -> None:
    if kind is RevokedKind.WAITER and orm.get(WaiterRow, subject) is None:
        raise UnknownWaiter(subject)
    if kind is RevokedKind.SESSION and orm.get(SessionRow, subject) is None:
        raise UnknownSession(subject)


def add(
    orm: Session, kind: RevokedKind, subject: str, now: datetime, *, is_closing: bool = False
) -> None:
    """Revoke within the caller's transaction."""
    orm.add(RevocationRow(kind=kind.value, subject=subject, revoked_at=now, is_closing=is_closing))


def end_codes(orm: Session, which: ColumnElement[bool]) -> None:
    """End the join codes that ``which`` finds, within the caller's transaction."""
    orm.execute(delete(JoinCodeRow).where(which))


def end_codes_of_waiter(orm: Session, waiter_id: str) -> None:
    """End the codes of all tables that ``waiter_id`` holds: the waiter has seen them."""
    theirs = select(SessionRow.id).where(SessionRow.waiter_id == waiter_id)
    end_codes(orm, JoinCodeRow.session_id.in_(theirs))
