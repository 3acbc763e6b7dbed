"""Relaying: what keeps the outbox flowing in a process that serves streams."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import gevent
from gevent.pool import Pool

from notifications.background import Background
from notifications.brokers.base import Broker
from notifications.repeated_failure import RepeatedFailure
from waiter_service import Change, WaiterService

log = logging.getLogger("notifications.outbox")

#: Seconds between two looks at the outbox. What another process changed is on
#: the screens within a second, with room to spare for a slow database.
POLL_SECONDS = 0.25

#: Sessions announced at a time with a shared broker. Their commands travel together; with
#: more, each would only take longer.
MAX_SIDE_BY_SIDE = 8

#: Pending changes beyond which callers that commit more yield, and the seconds for which
#: each does at most. Without it an overloaded core commits as fast as ever and
#: never catches up: changes are on the screens seconds later.
MAX_BEHIND = MAX_SIDE_BY_SIDE
YIELD_SECONDS = 0.05


class Relay(ABC):
    """Flushes the outbox on a timer, in a greenlet of its own, and whenever it is woken.

    ``look`` looks for withdrawn access and is called every ``POLL_SECONDS``. A flush follows
    each time, so what was committed before the things it sees has been announced when
    it is called again.
    """

    def __init__(self, service: WaiterService, *, look: Callable[[], None]) -> None:
        self._service = service
        self._look = look
        self._background = Background(self._run)
        self._next_look_at = 0.0
        self._is_flush_wanted = False
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

    def start(self) -> None:
        """Begin to relay. Idempotent."""
        if not self._background.is_running:
            self._begin()
            self._background.start()

    def stop(self) -> None:
        """Relay no more, and leave what is committed later to others. Idempotent.

        Switches greenlets: what is being announced reaches every receiver first.
        """
        if self._background.is_running:
            self._background.stop()
            self._service.stop_relaying()

    def wake(self) -> None:
        """Flush soon, in the relay's own greenlet. Never blocks."""
        self._is_flush_wanted = True
        self._background.wake()

    def committed(self, changes: Sequence[Change]) -> None:
        """See to it that ``changes``, just committed by this process, are announced.

        While relaying pauses they wait in the outbox.
        """
        if self._service.is_relay:
            self._announce(changes)
        else:
            self.wake()

    @abstractmethod
    def _announce(self, changes: Sequence[Change]) -> None:
        """Announce ``changes`` now or soon."""

    @abstractmethod
    def _begin(self) -> None:
        """Have the service relay."""

    def _run(self) -> None:
        while self._background.wait(max(0.0, self._next_look_at - time.monotonic())):
            # Apart: a failure of one must not keep the other from being tried.
            if self._is_time_to_look():
                with self._look_failure.told():
                    self._look()
            with self._flush_failure.told():
                self._flush()

    def _is_time_to_look(self) -> bool:
        # On the timer alone: a busy floor wakes the relay hundreds of times a second.
        if (now := time.monotonic()) < self._next_look_at:
            return False
        self._next_look_at = now + POLL_SECONDS
        self._is_flush_wanted = True
        return True

    def _flush(self) -> None:
        if self._is_flush_wanted:
            self._is_flush_wanted = False
            self._service.flush()


class ExclusiveRelay(Relay):
    """The relay of the only serving process, which keeps the histories in its memory.

    Changes are announced by the greenlet that has committed them. The serving lock sees to
    it that no other process relays: what a process that is gone had claimed may be
    announced at once.
    """

    def _announce(self, changes: Sequence[Change]) -> None:
        self._service.announce(changes)

    def _begin(self) -> None:
        self._service.start_relaying(is_alone=True)


class SharedRelay(Relay):
    """The relay of one of many processes, with a broker on a server that may be slow or away.

    A status change must not wait for that server, so changes are announced in
    the relay's own greenlet, those of different sessions side by side. While the broker is
    away, relaying pauses and changes wait in the outbox: otherwise each would be tried
    and logged again, several times a second, for as long as that lasts.
    """

    def __init__(self, service: WaiterService, broker: Broker, *, look: Callable[[], None]) -> None:
        super().__init__(service, look=look)
        self._broker = broker
        # Committed by this process, and still to be announced by the greenlet.
        self._committed: list[Change] = []

    def _announce(self, changes: Sequence[Change]) -> None:
        """Have the greenlet announce ``changes``; yield for a moment while too many are pending."""
        self._committed.extend(changes)
        self._background.wake()
        give_up_at = time.monotonic() + YIELD_SECONDS
        while (
            self._service.is_relay
            and self._service.behind_count > MAX_BEHIND
            and time.monotonic() < give_up_at
        ):
            gevent.sleep(0.001)

    def _begin(self) -> None:
        self._service.start_relaying(side_by_side)

    def _flush(self) -> None:
        if self._broker.is_away:
            if self._service.is_relay:
                log.warning("relaying pauses; changes wait in the outbox")
                self._service.stop_relaying()
            return
        if not self._service.is_relay:
            self._begin()
            log.info("relaying goes on")
        committed, self._committed = self._committed, []
        if self._is_flush_wanted or not committed:
            super()._flush()
        else:
            # A search through the outbox costs as much as an announcement, and on a
            # busy floor the relay is woken hundreds of times a second.
            self._service.announce(committed)


def side_by_side(tasks: Sequence[Callable[[], None]]) -> None:
    """Run ``tasks``, several at a time, each in a greenlet; raise what the first to fail raised.

    All have ended by then, unless the caller was killed: then they end by themselves.
    """
    if len(tasks) == 1:
        tasks[0]()
        return
    failures = [
        failure
        for failure in Pool(MAX_SIDE_BY_SIDE).imap_unordered(_failure_of, tasks)
        if failure is not None
    ]
    if failures:
        raise failures[0]


def _failure_of(task: Callable[[], None]) -> Exception | None:
    # gevent prints what a greenlet raises; side_by_side raises it to its caller instead.
    try:
        task()
    except Exception as error:  # noqa: BLE001 - raised again by side_by_side
        return error
    return None
