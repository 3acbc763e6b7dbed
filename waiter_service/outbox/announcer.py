"""Sending a change to this process's receivers."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from waiter_service.changes import Change, from_payload
from waiter_service.outbox.rows import Entry
from waiter_service.signals import BY_KIND

log = logging.getLogger("waiter_service.outbox")

#: Seconds after which a failed change is no longer expected here: it is tried at least every
#: half minute (``standstill.PAUSES_SECONDS``), so by now another process has taken it.
FORGET_SECONDS = 60.0

# How many announced changes are remembered while their rows still exist. A guess: the
# changes of a busy restaurant in some hours, about 1 MB.
MAX_REMEMBERED = 10_000


class Outcome(Enum):
    """The result of sending a change."""

    TAKEN = auto()
    """Every receiver took it, now or earlier."""
    FAILED = auto()
    """At least one receiver raised."""
    UNHEARD = auto()
    """No receiver in this process is connected for this kind of change."""


class Announcer:
    """Sends changes as signals of ``sender``, and remembers which ones were taken."""

    def __init__(self, sender: object) -> None:
        self._sender = sender
        self._failing = FailingChanges()
        self._taken: OrderedDict[str, None] = OrderedDict()

    def heard_kinds(self) -> frozenset[str]:
        """Return the kinds of changes that have a receiver in this process."""
        return frozenset(kind for kind in BY_KIND if self.hears(kind))

    def hears(self, kind: str) -> bool:
        """Return whether changes of ``kind`` have a receiver in this process."""
        return bool(self._receivers(kind))

    def tell(self, change: Change) -> Outcome:
        """Call every receiver of the change's signal, even if some raise.

        Not ``Signal.send``: there, the first receiver that raises stops the
        rest. Receivers may switch greenlets. ``GreenletExit`` and
        ``gevent.Timeout`` are not an ``Exception`` and pass through.
        """
        receivers = self._receivers(change.KIND)
        if not receivers:
            return Outcome.UNHEARD
        outcome = Outcome.TAKEN
        for receiver in receivers:
            try:
                receiver(self._sender, change=change)
            except Exception as error:
                outcome = Outcome.FAILED
                if self._failing.is_news(change.id, error):
                    log.exception(
                        "a receiver failed",
                        extra={
                            "fields": {
                                "kind": change.KIND,
                                "change": change.id,
                                "subject": change.subject_id,
                                "receiver": repr(receiver),
                            }
                        },
                    )
        if outcome is Outcome.TAKEN:
            self._failing.taken(change.id)
            self._remember(change.id)
        return outcome

    def tell_entry(self, entry: Entry) -> Outcome:
        """Send the change of an outbox row, unless its receivers took it before."""
        if entry.id in self._taken:
            return Outcome.TAKEN
        try:
            change = from_payload(entry.kind, entry.payload)
        except (LookupError, TypeError, ValueError) as error:
            if self._failing.is_news(entry.id, error):
                log.exception(
                    "outbox row cannot be read",
                    extra={"fields": {"change": entry.id, "kind": entry.kind}},
                )
            return Outcome.FAILED
        return self.tell(change)

    def forget(self, change_id: str) -> None:
        """Stop remembering a change whose row was removed."""
        self._taken.pop(change_id, None)

    def _receivers(self, kind: str) -> list[Callable[..., Any]]:
        return list(BY_KIND[kind].receivers_for(self._sender))

    def _remember(self, change_id: str) -> None:
        self._taken[change_id] = None
        while len(self._taken) > MAX_REMEMBERED:
            self._taken.popitem(last=False)


class FailingChanges:
    """Keeps the log readable while changes fail repeatedly.

    An outage fails every change, each of them several times. The first failure of each kind of
    exception is logged with its traceback. The others are counted until every change that
    failed was taken, or is no longer tried here.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed_at: dict[str, float] = {}
        self._kinds: set[type[Exception]] = set()
        self._failures = 0

    def is_news(self, change_id: str, error: Exception) -> bool:
        """Record a failure; return whether it is the first of its kind and should be logged."""
        self._forget_old()
        self._failed_at[change_id] = self._clock()
        self._failures += 1
        is_news = type(error) not in self._kinds
        self._kinds.add(type(error))
        return is_news

    def taken(self, change_id: str) -> None:
        """Record that a change was taken; log when no failed change is left."""
        if self._failed_at:
            self._failed_at.pop(change_id, None)
            self._forget_old()
            if not self._failed_at:
                log.info(
                    "changes are announced again", extra={"fields": {"failures": self._failures}}
                )
                self._kinds.clear()
                self._failures = 0

    def _forget_old(self) -> None:
        limit = self._clock() - FORGET_SECONDS
        for change_id in [each for each, at in self._failed_at.items() if at < limit]:
            del self._failed_at[change_id]
