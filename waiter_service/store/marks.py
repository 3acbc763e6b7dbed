"""Marks in the database, by which a process can tell that it went back in time."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, exc, func, insert, literal, null, select
from sqlalchemy.orm import Session

from waiter_service.store.database import Database
from waiter_service.store.models import AuditRow, MarkRow

#: Marks that are kept. Sixteen processes make as many in an hour, and while any process
#: serves, the remembered mark is at most a minute old.
MARKS_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """The state of the database at one moment.

    ``known_marks`` are those of the requested marks that it has. ``newest_change`` is the id of
    the newest audit row, which rises with every change. ``timeline`` is PostgreSQL's, which
    changes when a standby is promoted; None if it has none.
    """

    known_marks: frozenset[str]
    newest_change: int
    timeline: str | None


class Marks:
    """The marks in ``database``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._has_timeline = not database.is_sqlite

    def write(self) -> str:
        """Write a new mark, commit it and return it.

        Raises:
            DatabaseError: it could not be written.
        """
        mark = secrets.token_hex(8)
        with self._database.writing() as orm:
            inserted = orm.execute(insert(MarkRow).values(mark=mark))
            newest = inserted.inserted_primary_key[0]  # type: ignore[attr-defined]
            orm.execute(delete(MarkRow).where(MarkRow.id <= newest - MARKS_KEPT))
        return mark

    def find(self, marks: Iterable[str]) -> Found:
        """Return which of ``marks`` the database has, and its newest change: one statement.

        Raises:
            DatabaseError: it could not be read.
        """
        asked = sorted(marks)
        try:
            return self._find(asked)
        except exc.ProgrammingError:
            # This PostgreSQL does not let us read its log's position. The marks are enough.
            if not self._has_timeline:
                raise
            self._has_timeline = False
            return self._find(asked)

    def _find(self, asked: list[str]) -> Found:
        timeline: Any = null()
        if self._has_timeline:
            # The first 8 of the file name's 24 digits.
            timeline = func.left(func.pg_walfile_name(func.pg_current_wal_lsn()), 8)
        newest = select(func.max(AuditRow.id)).scalar_subquery()
        known = [
            select(MarkRow.mark).where(MarkRow.mark == literal(mark)).scalar_subquery()
            for mark in asked
        ]
        with self._looking() as connection:
            newest_change, found_timeline, *found = connection.execute(
                select(newest, timeline, *known)
            ).one()
        return Found(frozenset(mark for mark in found if mark), newest_change or 0, found_timeline)

    def _looking(self) -> AbstractContextManager[Session | Connection]:
        # One statement: this saves PostgreSQL the round trips of BEGIN and COMMIT, and SQLite's
        # writers do not wait for it.
        database = self._database
        return database.reading() if database.is_sqlite else database.committing()
