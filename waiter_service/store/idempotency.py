"""Idempotency keys, which make a retried call safe: the same key gets the first call's answer.

::

    answer = store.begin(key, actor, operation, request_hash)
    if answer is None:                     # this call is the first
        try: ... store.finish(key, actor, status, body)
        except: store.abandon(key, actor)  # so that a retry may do it
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from waiter_service import inputs
from waiter_service.actors import Actor
from waiter_service.clock import Clock, utc_now
from waiter_service.errors import IdempotencyKeyBusy, IdempotencyKeyReused
from waiter_service.store.database import Database
from waiter_service.store.models import IdempotencyRow

MAX_KEY_CHARS = 255
MAX_OPERATION_CHARS = 300
MAX_NAME_CHARS = 144
# A call that has not finished by then died with its process. Its changes stay, so a retry
# may make them again. Longer than any call takes.
ABANDONED_AFTER = timedelta(seconds=60)
# Clients retry within minutes; a day also covers a phone that was put away.
KEPT_FOR = timedelta(hours=24)
# The newest keys that are kept per actor, some 3 MB. A retry comes within minutes, and it
# takes longer than that to make so many calls, even for a till without pauses. A guess.
MAX_KEYS_PER_ACTOR = 2000
# New keys between two counts of an actor's keys: counting costs as much as the call
# that it delays.
_CALLS_PER_LOOK = 64


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer to the first call with a key."""

    status: int
    body: str


class IdempotencyStore:
    """Remembers, for each actor and key, the request and its answer."""

    def __init__(self, database: Database, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock
        self._new_keys = itertools.count(1)

    def begin(
        self, key: str, actor: Actor, operation: str, request_hash: str
    ) -> StoredAnswer | None:
        """Reserve ``key``, or return the answer to its first call.

        Args:
            operation: method and path. Another operation is another request.
            request_hash: a digest of the body, in hexadecimal. Another digest is another request.

        Raises:
            ValidationError: the key is empty, longer than 255 characters or not plain text.
            IdempotencyKeyReused: the key was used before, for a different request.
            IdempotencyKeyBusy: the first call with the key has not finished.
        """
        key = inputs.text("Idempotency-Key", key, max_chars=MAX_KEY_CHARS)
        # The caller chooses the path. Paths that differ only after this many characters name
        # nothing that exists.
        operation = operation.encode("unicode_escape").decode("ascii")[:MAX_OPERATION_CHARS]
        try:
            with self._database.writing() as orm:
                answer = self._begin(orm, key, actor, operation, request_hash)
                if answer is None and next(self._new_keys) % _CALLS_PER_LOOK == 0:
                    _forget_oldest(orm, actor)
                return answer
        except IntegrityError as error:
            # Two calls came at once (PostgreSQL), and the other one has the key.
            raise IdempotencyKeyBusy(key) from error

    def _begin(
        self, orm: Session, key: str, actor: Actor, operation: str, request_hash: str
    ) -> StoredAnswer | None:
        now = self._clock()
        row = orm.get(IdempotencyRow, (_name_of(actor), key), with_for_update=True)
        if row is not None and row.created_at + KEPT_FOR <= now:
            orm.delete(row)
            orm.flush()
            row = None
        if row is None:
            orm.add(
                IdempotencyRow(
                    actor=_name_of(actor),
                    key=key,
                    operation=operation,
                    request_hash=request_hash,
                    created_at=now,
                )
            )
            return None
        if (row.operation, row.request_hash) != (operation, request_hash):
            raise IdempotencyKeyReused(key)
        if row.response_status is not None:
            return StoredAnswer(row.response_status, row.response_body or "")
        # Also a key from the future: the clock that wrote it may have been an hour ahead.
        if abs(now - row.created_at) < ABANDONED_AFTER:
            raise IdempotencyKeyBusy(key)
        row.created_at = now
        return None

    def finish(self, key: str, actor: Actor, status: int, body: str) -> None:
        """Keep the answer for a day."""
        with self._database.writing() as orm:
            orm.execute(
                update(IdempotencyRow)
                .where(IdempotencyRow.actor == _name_of(actor), IdempotencyRow.key == key)
                .values(response_status=status, response_body=body)
            )

    def abandon(self, key: str, actor: Actor) -> None:
        """Release a key whose call failed."""
        with self._database.writing() as orm:
            orm.execute(
                delete(IdempotencyRow).where(
                    IdempotencyRow.actor == _name_of(actor),
                    IdempotencyRow.key == key,
                    IdempotencyRow.response_status.is_(None),
                )
            )

    def prune(self) -> None:
        """Delete keys older than a day; call it periodically."""
        with self._database.writing() as orm:
            orm.execute(
                delete(IdempotencyRow).where(IdempotencyRow.created_at <= self._clock() - KEPT_FOR)
            )


def _name_of(actor: Actor) -> str:
    """Return the actor's key, or its digest where it does not fit the column."""
    if len(actor.key) <= MAX_NAME_CHARS:
        return actor.key
    return hashlib.sha256(actor.key.encode()).hexdigest()


def _forget_oldest(orm: Session, actor: Actor) -> None:
    """Keep only the newest keys of ``actor``, and those whose calls have not finished."""
    newest = (
        select(IdempotencyRow.created_at)
        .where(IdempotencyRow.actor == _name_of(actor))
        .order_by(IdempotencyRow.created_at.desc())
        .offset(MAX_KEYS_PER_ACTOR)
        .limit(1)
    )
    orm.execute(
        delete(IdempotencyRow).where(
            IdempotencyRow.actor == _name_of(actor),
            IdempotencyRow.created_at <= newest.scalar_subquery(),
            IdempotencyRow.response_status.is_not(None),
        )
    )
