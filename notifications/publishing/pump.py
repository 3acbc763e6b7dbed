"""The one greenlet that keeps the outbox flowing in a process that serves streams."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import gevent
from gevent.event import Event as Wakeup

from notifications.publishing.side_by_side import MAX_SIDE_BY_SIDE, side_by_side
from notifications.repeated_failure import RepeatedFailure
from waiter_service.changes import Change
from waiter_service.outbox.relay import SideBySide

log = logging.getLogger("notifications.outbox")

#: Seconds between two looks at the outbox. What another process changed is on
#: the screens within a second, with room to spare for a slow database.
POLL_SECONDS = 0.25

#: Seconds a flush under way may take to end when the pump is stopped.
STOP_SECONDS = 5.0


#: Changes that may wait to be announced before those who commit more give way, and
#: the seconds for which each does at most: it never waits for the broker itself.
MAX_BEHIND = MAX_SIDE_BY_SIDE
GIVE_WAY_SECONDS = 0.05


class RelayingService(Protocol):
    """What the pump needs of the waiter service."""

    def start_relaying(
        self, side_by_side: SideBySide | None = None, *, is_alone: bool = False
    ) -> None: ...
    def stop_relaying(self) -> None: ...
    def flush(self) -> int: ...

    @property
    def behind_count(self) -> int: ...


class OutboxPump:
    """Flushes the outbox on a timer, and whenever it is woken.

    ``on_begin`` is called before the first change is relayed and ``on_end`` after the
    last. With a shared broker every process relays, as long as ``may_relay`` says so:
    with the broker away, each change would be tried and logged again, several times a
    second, for as long as that lasts.

    ``announce`` announces changes that this process has committed: at once, by
    whoever committed them, or with ``may_wait`` in the pump's own greenlet, for a
    broker that may keep its caller waiting; different sessions' changes are then
    announced side by side. With ``is_alone`` no other process relays: what one had
    claimed that is gone may be announced at once. All others' changes are found on the timer.
    ``on_look`` looks for withdrawn access every ``POLL_SECONDS``. A flush follows each
    time, so that what was committed before the things it sees has been announced when
    it is called again.
    """

    def __init__(
        self,
        service: RelayingService,
        *,
        may_relay: Callable[[], bool] = lambda: True,
        announce: Callable[[Sequence[Change]], object],
        may_wait: bool = False,
        is_alone: bool = False,
        on_begin: Callable[[], None] = lambda: None,
        on_end: Callable[[], None] = lambda: None,
        on_look: Callable[[], None] = lambda: None,
    ) -> None:
        self._service = service
        self._may_relay = may_relay
        self._announce = announce
        self._may_wait = may_wait
        self._is_alone = is_alone
        # Committed by this process, and still to be announced by the greenlet.
        self._committed: list[Change] = []
        self._on_begin = on_begin
        self._on_end = on_end
        self._on_look = on_look
        self._next_look_at = 0.0
        self._is_flush_wanted = False
        # With the database away for five seconds, a traceback a round was 2,500 lines.
        self._look_failure = RepeatedFailure(
            log,
            begins="withdrawn access could not be looked for; it is tried again",
            ends="withdrawn access can be looked for again",
        )
        self._flush_failure = RepeatedFailure(
            log,
            begins="the outbox could not be flushed; it is tried again",
            ends="the outbox can be flushed again",
        )
        self._wakeup = Wakeup()
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self._is_relaying = False
        self._is_stopping = False

    def start(self) -> None:
        """Begin to relay. Idempotent."""
        if self._greenlet is None:
            self._begin()
            self._greenlet = gevent.spawn(self._run)

    def after_commit(self, changes: Sequence[Change]) -> None:
        """See to it that ``changes``, just committed by this process, are announced.

        While relaying pauses they wait in the outbox.
        """
        if not self._is_relaying:
            self.wake()
        elif self._may_wait:
            self._committed.extend(changes)
            self._wakeup.set()
            self._give_way()
        else:
            self._announce(changes)

    def _give_way(self) -> None:
        """Let announcements catch up for a moment; else, beyond what a core bears, they never do.

        Changes would be committed as fast as ever, and be on the screens seconds later.
        """
        give_up_at = time.monotonic() + GIVE_WAY_SECONDS
        while (
            self._is_relaying
            and self._service.behind_count > MAX_BEHIND
            and time.monotonic() < give_up_at
        ):
            gevent.sleep(0.001)

    def wake(self) -> None:
        """Flush soon, in the pump's own greenlet. Never blocks."""
        self._is_flush_wanted = True
        self._wakeup.set()

    def stop(self) -> None:
        """Relay no more. Idempotent; switches greenlets.

        The greenlet is asked to end, not killed: it may be inside a database
        call, and a killed one leaves its connection in no known state.
        """
        if self._greenlet is not None:
            self._is_stopping = True
            self._wakeup.set()
            self._greenlet.join(timeout=STOP_SECONDS)
            self._greenlet = None
            self._let_go(self._service.stop_relaying)
            if self._is_relaying:
                self._is_relaying = False
                self._let_go(self._on_end)

    def _let_go(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:
            # The process ends all the same, and there are streams to send away.
            log.exception("the outbox was not let go of in good order")

    def _run(self) -> None:
        while not self._is_stopping:
            self._wakeup.clear()
            # Apart: neither may keep the other from being tried.
            if self._is_time_to_look():
                with self._look_failure.told():
                    self._on_look()
            with self._flush_failure.told():
                self._relay()
            if not self._is_stopping:
                self._wakeup.wait(max(0.0, self._next_look_at - time.monotonic()))

    def _relay(self) -> None:
        if not self._may_relay():
            self._pause()
        elif not self._is_relaying:
            self._begin()
            log.info("relaying goes on")
        if self._is_relaying:
            committed, self._committed = self._committed, []
            if self._is_flush_wanted:
                self._is_flush_wanted = False
                self._service.flush()
            elif committed:
                # A search through the outbox for what else there is costs as much as
                # an announcement, and on a busy floor we are woken hundreds of times a second.
                self._announce(committed)

    def _pause(self) -> None:
        if self._is_relaying:
            log.warning("relaying pauses; changes wait in the outbox")
            self._is_relaying = False
            self._service.stop_relaying()

    def _is_time_to_look(self) -> bool:
        # On the timer alone: a busy floor wakes the pump hundreds of times a second.
        # A flush follows, for what others have committed.
        if (now := time.monotonic()) < self._next_look_at:
            return False
        self._next_look_at = now + POLL_SECONDS
        self._is_flush_wanted = True
        return True

    def _begin(self) -> None:
        self._on_begin()
        self._service.start_relaying(
            side_by_side if self._may_wait else None, is_alone=self._is_alone
        )
        self._is_relaying = True
