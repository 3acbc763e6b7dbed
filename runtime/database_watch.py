"""Detects that the database went back in time, and makes every screen load everything again.

After a restore from a backup, or a failover that lost the last commits, clients show things
that no longer exist, and new events have versions that they have seen. An id in the
database would not reveal it, because the backup has the id too. So each process writes a
random mark into the database when it starts and every minute, and remembers it outside:
with the histories, in Redis or in the memory broker's file. A database without the
remembered mark went back.

Changes between two marks are covered by the newest change, which is remembered as changes
are made, and on PostgreSQL by the timeline.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Self

import gevent

from notifications.background import Background
from notifications.brokers.base import Broker
from notifications.errors import BrokerUnavailable
from waiter_service.errors import DatabaseError
from waiter_service.store.marks import Found, Marks

log = logging.getLogger("runtime.database_watch")

#: Seconds between two looks while nothing changes here, and the least between any two. Each
#: look is one statement, and with Redis one round trip or two.
LOOK_SECONDS = 1.0
PAUSE_SECONDS = 0.1

#: Seconds between two marks of one process.
MARK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Moment:
    """The state of a database when a process looked at it."""

    mark: str
    newest_change: int
    timeline: str | None

    def is_part_of(self, found: Found) -> bool:
        """Return whether the database found has passed through this state."""
        return (
            self.mark in found.known_marks
            and self.newest_change <= found.newest_change
            and (None in (self.timeline, found.timeline) or self.timeline == found.timeline)
        )

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Return the moment in ``text``; None if it is missing or not ours."""
        try:
            return None if text is None else cls(**json.loads(text))
        except (ValueError, TypeError):
            return None


class DatabaseWatch:
    """Looks once a second and after changes, in a greenlet of its own.

    ``on_gone_back`` is called in every process that saw the database before it went back, for
    what that process knows of the database apart from the histories.
    """

    def __init__(
        self, marks: Marks, broker: Broker, *, on_gone_back: Callable[[], None] = lambda: None
    ) -> None:
        self._marks = marks
        self._broker = broker
        self._on_gone_back = on_gone_back
        # The last state of the database that this process itself has seen.
        self._seen: Moment | None = None
        self._mark_at = 0.0
        self._background = Background(self._run)

    def start(self) -> None:
        """Look now, before the first stream is served, and then periodically. Idempotent."""
        if not self._background.is_running:
            self._look_if_possible()
            self._background.start()

    def stop(self) -> None:
        """Look a last time, to remember the final state, and end. Idempotent."""
        self._background.stop()

    def wake(self) -> None:
        """Remember the newest change soon. Never switches greenlets."""
        self._background.wake()

    def _run(self) -> None:
        while self._background.wait(LOOK_SECONDS):
            if not self._look_if_possible():
                # A broker that is away fails at once. Once it is back, streams resume, and should
                # not do so for long in a history that is about to end.
                self._background.wake()
            # On a busy floor, changes would make it look hundreds of times a second.
            gevent.sleep(PAUSE_SECONDS)
        self._look_if_possible()

    def _look_if_possible(self) -> bool:
        """Look; return False if the broker's absence prevented it."""
        try:
            self.look()
        except BrokerUnavailable:
            return False
        except DatabaseError as error:
            # The code that serves requests reports this failure.
            log.debug(
                "the database could not be compared with what is remembered",
                extra={"fields": {"error": str(error)}},
            )
        except Exception:
            log.exception("the database could not be compared with what is remembered")
        return True

    def look(self) -> None:
        """Compare the database with what is remembered; start new histories if it went back.

        May switch greenlets.

        Raises:
            BrokerUnavailable, DatabaseError: one of the two does not answer now.
        """
        # In this order: what is remembered was committed before.
        remembered = self._broker.remembered()
        moment = Moment.parse(remembered)
        seen = self._seen
        found = self._marks.find({each.mark for each in (moment, seen) if each})
        if seen is not None and not seen.is_part_of(found):
            self._on_gone_back()
        if moment is not None and not moment.is_part_of(found):
            log.warning("the database went back in time; every screen loads everything again")
            self._remember(found, instead_of=remembered, begins_again=True)
        elif moment is None or time.monotonic() >= self._mark_at:
            self._remember(found, instead_of=remembered)
        else:
            self._seen = Moment(moment.mark, found.newest_change, found.timeline)
            if self._seen != moment:
                self._broker.remember(self._seen.text(), instead_of=remembered)

    def _remember(
        self, found: Found, *, instead_of: str | None, begins_again: bool = False
    ) -> None:
        # The mark first: a mark that is remembered must be in the database.
        self._seen = Moment(self._marks.write(), found.newest_change, found.timeline)
        self._mark_at = time.monotonic() + MARK_SECONDS
        remember = self._broker.begin_again if begins_again else self._broker.remember
        remember(self._seen.text(), instead_of=instead_of)
