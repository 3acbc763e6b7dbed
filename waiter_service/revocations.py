"""Revocations: of one token, or of all tokens of a session, a waiter or a manager.

They are rows, not messages: every process that serves streams reads them several times a
second, so a revocation reaches all of them, survives a restart, and does not depend
on which processes run when it is made. Closings of sessions are rows here too.

Processes find new rows by their ids, never by a time: a script may run on a machine whose
clock is wrong. The first serving process that sees a row writes its own time into it,
once. Tokens issued until then are void, in every process and after every restart.
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
from waiter_service.actors import ALL_VENUES, MAIN_VENUE
from waiter_service.clock import Clock, utc_now
from waiter_service.errors import UnknownSession, UnknownVenue, UnknownWaiter
from waiter_service.store.database import Database
from waiter_service.store.models import JoinCodeRow, RevocationRow, SessionRow, VenueRow, WaiterRow

#: How long a revocation is kept. No token may live longer.
KEPT_FOR = timedelta(days=30)

#: How long the closing of a session is kept. Afterwards a token of the session opens a
#: stream again, on which no event ever comes; a guest's own token has expired by then
#: (GUEST_TOKEN_SECONDS: 12 h). Longer would be too many rows: with 200,000 of them a worker
#: took ten seconds to start, and 43 ms for each look, four times a second.
CLOSING_KEPT_FOR = timedelta(days=1)

MAX_TOKEN_ID_CHARS = 255


class RevokedKind(StrEnum):
    """What was revoked: one token by its ``jti``, or all of one bearer.

    The subject of a kitchen or a display is its venue.
    """

    TOKEN = "token"  # noqa: S105 - no secret
    SESSION = "session"
    WAITER = "waiter"
    MANAGER = "manager"
    KITCHEN = "kitchen"
    DISPLAY = "display"
    SERVICE = "service"
    #: Revokes nothing: a closed session was reopened.
    REOPENED = "reopened"


#: The kinds whose subjects are told apart by their venue.
BY_VENUE = frozenset({RevokedKind.MANAGER, RevokedKind.SERVICE})

_OF_A_VENUE = frozenset({RevokedKind.KITCHEN, RevokedKind.DISPLAY})


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens of ``subject`` issued until ``seen_at`` are void.

    Those of a manager or a service are, if they give access to ``venue_id``: two venues may
    each have a manager with the same id.
    With ``is_closing`` the session was closed: its streams end, and its tokens stay valid.
    ``seen_at`` is None until a serving process has seen the row.
    """

    id: int
    kind: RevokedKind
    subject: str
    seen_at: datetime | None
    is_closing: bool = False
    venue_id: str = MAIN_VENUE


# Columns, not ORM objects, which cost more than twice as much. Built once, since every
# process runs them four times a second.
_NEWEST = bindparam("newest", type_=BigInteger)
_MISSING: BindParameter[list[int]] = bindparam("missing", expanding=True)
_IS_NEW = or_(RevocationRow.id >= _NEWEST, RevocationRow.seen_at.is_(None))
_COLUMNS = select(
    RevocationRow.id,
    RevocationRow.kind,
    RevocationRow.subject,
    RevocationRow.seen_at,
    RevocationRow.is_closing,
    RevocationRow.venue_id,
).order_by(RevocationRow.id)
_FIND = _COLUMNS.where(_IS_NEW)
_FIND_MISSING_TOO = _COLUMNS.where(or_(_IS_NEW, RevocationRow.id.in_(_MISSING)))

# Rows stamped with one statement. Databases limit the number of parameters.
_STAMPED_AT_ONCE = 500


class Revocations:
    """Revokes access. Usable from any Python process."""

    def __init__(self, database: Database, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    def revoke_token(self, token_id: str) -> None:
        """Revoke the token whose ``jti`` is ``token_id``, and the stream tokens made from it."""
        self.revoke({RevokedKind.TOKEN: token_id})

    def revoke_waiter(self, waiter_id: str) -> None:
        """Revoke every token that was issued to ``waiter_id`` until now."""
        self.revoke({RevokedKind.WAITER: waiter_id})

    def revoke_manager(self, manager_id: str, venue_id: str = MAIN_VENUE) -> None:
        """Revoke every token of ``manager_id`` that was issued until now and is for the venue.

        That includes tokens for all venues. With ``ALL_VENUES``, every token goes.
        """
        self.revoke({RevokedKind.MANAGER: manager_id}, venue_id=venue_id)

    def revoke_session(self, session_id: str) -> None:
        """Revoke every token that was issued to the guests of ``session_id`` until now."""
        self.revoke({RevokedKind.SESSION: session_id})

    def revoke(
        self,
        given: Mapping[RevokedKind, str],
        *,
        must_be_known: bool = False,
        venue_id: str = MAIN_VENUE,
    ) -> None:
        """Revoke everything in ``given``, or nothing.

        ``venue_id`` is that of a manager or a service; ``ALL_VENUES`` means any.
        With ``must_be_known``, waiters and sessions must exist, so a misspelt id is an error.
        Managers, services and tokens are not stored, so their ids cannot be checked.

        Raises:
            ValidationError: a value does not have the form of an id of its kind.
            UnknownWaiter, UnknownSession: with ``must_be_known``, it does not exist.
        """
        checked = {kind: _checked(kind, subject) for kind, subject in given.items()}
        if venue_id != ALL_VENUES:
            inputs.identifier("venue_id", venue_id)
        with self._database.writing() as orm:
            for kind, subject in checked.items():
                if must_be_known:
                    _require_known(orm, kind, subject, venue_id)
                if kind is RevokedKind.SESSION:
                    end_codes(orm, JoinCodeRow.session_id == subject)
                elif kind is RevokedKind.WAITER:
                    end_codes_of_waiter(orm, subject)
                add(orm, kind, subject, self._clock(), venue_id=venue_id)

    def find(self, newest: int = 0, missing: Collection[int] = ()) -> list[Revocation]:
        """Return the revocations from id ``newest`` on, ordered by id.

        Also those without a stamp, and those with one of the ids ``missing``: on
        PostgreSQL a transaction may commit after others that got later ids.
        """
        statement = _FIND_MISSING_TOO if missing else _FIND
        parameters = {"newest": newest, **({"missing": list(missing)} if missing else {})}
        with self._database.reading() as orm:
            return [
                Revocation(id_, RevokedKind(kind), subject, seen_at, is_closing, venue_id)
                for id_, kind, subject, seen_at, is_closing, venue_id in orm.execute(
                    statement, parameters
                )
            ]

    def stamp(self, ids: Sequence[int]) -> dict[int, datetime]:
        """Stamp those of ``ids`` that have no stamp with the current time; return all stamps."""
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
                    assert seen_at is not None, "this process or another has just written it"
                    stamps[id_] = seen_at
        return stamps

    def prune(self) -> None:
        """Delete revocations that need not be kept any longer; call it periodically."""
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
    if kind in BY_VENUE:
        return inputs.exact_text(f"{kind}_id", subject)
    if kind in _OF_A_VENUE:
        return inputs.identifier("venue_id", subject)
    return inputs.identifier(f"{kind}_id", subject)


def _require_known(orm: Session, kind: RevokedKind, subject: str, venue_id: str) -> None:
    venue_id = subject if kind in _OF_A_VENUE else venue_id
    is_about_venue = kind in _OF_A_VENUE or kind in BY_VENUE
    if is_about_venue and venue_id != ALL_VENUES and orm.get(VenueRow, venue_id) is None:
        raise UnknownVenue(venue_id)
    if kind is RevokedKind.WAITER and orm.get(WaiterRow, subject) is None:
        raise UnknownWaiter(subject)
    if kind is RevokedKind.SESSION and orm.get(SessionRow, subject) is None:
        raise UnknownSession(subject)


def add(
    orm: Session,
    kind: RevokedKind,
    subject: str,
    now: datetime,
    *,
    is_closing: bool = False,
    venue_id: str = MAIN_VENUE,
) -> None:
    """Revoke within the caller's transaction."""
    orm.add(
        RevocationRow(
            kind=kind.value,
            subject=subject,
            venue_id=venue_id,
            revoked_at=now,
            is_closing=is_closing,
        )
    )


def end_codes(orm: Session, which: ColumnElement[bool]) -> None:
    """End the join codes that ``which`` finds, within the caller's transaction."""
    orm.execute(delete(JoinCodeRow).where(which))


def end_codes_of_waiter(orm: Session, waiter_id: str) -> None:
    """End the codes of all tables that ``waiter_id`` holds: the waiter has seen them."""
    theirs = select(SessionRow.id).where(SessionRow.waiter_id == waiter_id)
    end_codes(orm, JoinCodeRow.session_id.in_(theirs))
