"""The outbox of one service: what happens to a change after its commit.

A service that *relays* (in a process that serves streams) announces every change in the
outbox, its own and those of other processes, and removes its row. Any other service (in a
script, the command line, a till) tells its own receivers about its own changes, once, and
leaves the rows for a process that relays.

::

    after a commit, relaying:     announce own rows, remove them
    after a commit, otherwise:    tell own receivers, leave the rows
    on a timer:       flush():    claim, announce, remove, until nothing is left
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from waiter_service.changes import Change
from waiter_service.clock import Clock
from waiter_service.errors import DatabaseError
from waiter_service.outbox import claims, rows
from waiter_service.outbox.announcer import Announcer, Outcome
from waiter_service.outbox.rows import Entry
from waiter_service.outbox.standstill import RENEW_SECONDS, Standstill
from waiter_service.outbox.turns import OwnRows, Round
from waiter_service.store.database import Database

log = logging.getLogger("waiter_service.outbox")

# stop_relaying() waits this long for another greenlet or thread that is announcing.
STOP_SECONDS = 5.0

SideBySide = Callable[[Sequence[Callable[[], None]]], None]
"""Runs every function it is given, several at a time, then raises what the first to fail raised."""


class Outbox:
    """Keeps the changes of one service until they are announced.

    One greenlet or thread announces at a time. A call that comes meanwhile,
    even from a receiver, leaves its work to the one that is announcing and returns
    at once, so no caller waits for another's receivers and none can deadlock.
    """

    def __init__(
        self,
        announcer: Announcer,
        database: Database,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._announcer = announcer
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._claimant = uuid.uuid4().hex
        self._standstill = Standstill(self._claimant, monotonic)
        self._announcing = threading.Lock()
        self._asked: deque[Round] = deque()
        # Committed and claimed by us, but not yet announced and removed: rows claimed when they
        # were inserted, and rows that a database failure kept us from removing.
        self._own = OwnRows()
        # Whether there are venues besides the main one, as the last flush saw it.
        self._has_venues = False
        self._side_by_side: SideBySide | None = None
        self.is_relaying = False

    def start_relaying(
        self, side_by_side: SideBySide | None = None, *, is_alone: bool = False
    ) -> None:
        """Announce for the whole deployment from now on. Idempotent."""
        if is_alone and not self.is_relaying:
            with self._database.writing() as orm:
                claims.give_back_all(orm)
        self._side_by_side = side_by_side
        self.is_relaying = True

    def stop_relaying(self) -> None:
        """Leave all changes to other processes, and give our claims back to them."""
        self.is_relaying = False
        if not self._announcing.acquire(timeout=STOP_SECONDS):
            log.warning("a flush is still running; others must wait until its claims time out")
            return
        try:
            self._own.clear()
            with self._database.writing() as orm:
                claims.give_back_all(orm, claimant=self._claimant)
        except DatabaseError as error:
            log.warning(
                "claims could not be given back; others take them later",
                extra={"fields": {"error": str(error)}},
            )
        finally:
            self._announcing.release()

    def add(self, orm: Session, change: Change, now: datetime) -> Entry | None:
        """Insert ``change`` in the caller's transaction; return its row if it is claimed.

        A service that relays announces its own changes right after their commit.
        Claiming them with their insertion saves it a search.
        """
        claims_it = self.is_relaying and self._announcer.hears(change.KIND)
        return rows.add(
            orm,
            change,
            claimant=self._claimant if claims_it else None,
            now=now,
            held_at=self._monotonic(),
        )

    def committed(self, entries: Iterable[Entry]) -> None:
        """Keep what ``add`` returned, now that its transaction is committed."""
        self._own.extend(entries)

    def announce(self, changes: Sequence[Change]) -> None:
        """Announce ``changes``, just committed by this service.

        Changes that failed before are left to ``flush()``: while a receiver is
        down, a commit should not wait for it again.
        """
        if self.is_relaying:
            subjects = frozenset(change.subject_id for change in changes)
            self._work(Round(only_subjects=subjects, retry=False))
        else:
            for change in changes:
                self._announcer.tell(change)

    def flush(self, limit: int) -> int:
        """Announce every change that can be announced, claiming ``limit`` at a time; count them."""
        if not self._announcer.heard_kinds() or self._is_idle():
            return 0
        return self._work(Round(limit=limit, has_venues=self._has_venues))

    def _is_idle(self) -> bool:
        """Return whether nothing is pending, by reading alone: no claim, no write.

        Otherwise note which rows others hold, and since when.
        """
        with self._database.reading() as orm:
            is_empty, self._has_venues = rows.look(orm)
            self._standstill.look(() if is_empty else claims.held(orm))
        return is_empty and not self._asked and not self._own

    @property
    def behind_count(self) -> int:
        """How many of this process's own changes it has not yet announced."""
        return len(self._own)

    def pending_count(self) -> int:
        """Return how many changes are committed but not yet announced."""
        with self._database.reading() as orm:
            return rows.pending_count(orm)

    def oldest_age_seconds(self) -> float:
        """Return how long the oldest of them has been waiting; 0.0 if there is none."""
        with self._database.reading() as orm:
            oldest = rows.oldest_created_at(orm)
        return max(0.0, (self._clock() - oldest).total_seconds()) if oldest else 0.0

    def _work(self, asked: Round) -> int:
        sent = 0
        self._asked.append(asked)
        # Checked again after the lock is released: a caller that found the lock taken has
        # left its round here, and either we see it or the next caller does.
        while self._asked and self._announcing.acquire(blocking=False):
            try:
                self._free_what_stands_still()
                while self._asked or self._own:
                    asked = (
                        self._asked.popleft() if self._asked else Round(only_subjects=frozenset())
                    )
                    sent += self._take_turn(asked)
            finally:
                self._announcing.release()
        return sent

    def _free_what_stands_still(self) -> None:
        """End the claims of dead processes. Runs while nothing is being announced here."""
        void = self._standstill.take_void(self._own.sequences())
        if not void:
            return
        with self._database.writing() as orm:
            for claimant, sequences in void.items():
                claims.give_back(orm, claimant=claimant, sequences=sequences)
        log.info(
            "took over changes that a process no longer announces",
            extra={"fields": {"changes": sum(map(len, void.values()))}},
        )

    def _take_turn(self, asked: Round) -> int:
        """Announce the next batch of a round; return how many changes were announced.

        If there may be more, the round continues after the others that wait.
        """
        before = asked.sent
        try:
            if self._announce_batch(asked):
                self._asked.append(asked)
        finally:
            # The database failed, or a greenlet was killed: the next round removes these rows.
            self._own.extend(asked.told)
            asked.told.clear()
        return asked.sent - before

    def _announce_batch(self, asked: Round) -> bool:
        # Until nothing is left, so that what is committed meanwhile is removed along with the
        # rest; but neither the removal nor the other rows may wait for long.
        while own := self._own.take(asked.limit - len(asked.told)):
            self._announce_each(own, asked)
        self._remove(asked)
        if asked.subjects_left == frozenset():
            return False
        claimed = self._claim(asked)
        self._announce_each(claimed, asked)
        self._remove(asked)
        return asked.claimed(claimed)

    def _claim(self, asked: Round) -> list[Entry]:
        with self._database.writing() as orm:
            return claims.claim(
                orm,
                claimant=self._claimant,
                held_at=self._monotonic(),
                kinds=self._announcer.heard_kinds(),
                limit=asked.limit,
                only_subjects=asked.subjects_left,
                without_subjects=asked.stuck,
                without_venues=asked.turns.left_out,
                retry=asked.retry,
                due=self._standstill.due() if asked.retry else (),
            )

    def _announce_each(self, entries: Sequence[Entry], asked: Round) -> None:
        """Announce claimed rows: a session's rows in order, different sessions side by side."""
        if self._side_by_side is None:
            self._announce(entries, asked)
            return
        sessions: dict[str, list[Entry]] = {}
        for entry in entries:
            sessions.setdefault(entry.subject_id, []).append(entry)
        self._side_by_side([partial(self._announce, each, asked) for each in sessions.values()])

    def _announce(self, entries: Sequence[Entry], asked: Round) -> None:
        """Announce claimed rows in order; a row that fails stops only its own session."""
        left = deque(entries)
        try:
            while left := self._still_held(left):
                entry = left[0]
                outcome = self._announcer.tell_entry(entry)
                if outcome is Outcome.TAKEN:
                    asked.told.append(left.popleft())
                    asked.sent += 1
                else:
                    asked.stuck.add(entry.subject_id)
                    behind = [e for e in left if e.subject_id == entry.subject_id]
                    self._give_back(behind, failed=entry if outcome is Outcome.FAILED else None)
                    left = deque(e for e in left if e.subject_id != entry.subject_id)
        except DatabaseError:
            # Still claimed, so no other process touches them while this one lives.
            self._own.extend(left)
            left.clear()
            raise
        finally:
            # Not empty only if the greenlet was killed while it announced.
            if left:
                self._give_back(left)

    def _still_held(self, left: deque[Entry]) -> deque[Entry]:
        """Return ``left`` without rows that another process took because we were too slow."""
        now = self._monotonic()
        if not left or now - left[0].held_at < RENEW_SECONDS:
            return left
        with self._database.committing() as connection:
            return deque(
                claims.renew(connection, claimant=self._claimant, entries=left, held_at=now)
            )

    def _remove(self, asked: Round) -> None:
        """Remove the rows of announced changes, in one commit."""
        if asked.told:
            with self._database.committing() as connection:
                asked.emptied |= rows.remove(connection, asked.told)
        for entry in asked.told:
            self._announcer.forget(entry.id)
        asked.told.clear()

    def _give_back(self, entries: Collection[Entry], *, failed: Entry | None = None) -> None:
        with self._database.writing() as orm:
            if failed is not None:
                failed.attempts += 1
                claims.pause(orm, claimant=self._claimant, failed=failed)
            claims.give_back(
                orm, claimant=self._claimant, sequences=[entry.sequence for entry in entries]
            )
        if failed is not None:
            self._standstill.failed(failed.sequence, failed.attempts)
