"""The relay: announces committed changes from the outbox, in each process that serves streams."""

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

#: Seconds between two looks at the outbox. A change by another process is on the screens
#: within a second, with some margin for a slow database.
POLL_SECONDS = 0.25

#: Sessions announced at a time with a shared broker. Their commands travel together, so
#: with more sessions each would only take longer.
MAX_SIDE_BY_SIDE = 8

#: Pending changes beyond which callers that commit more yield, and for how many seconds each
#: yields at most. Without this an overloaded core commits as fast as ever and
#: never catches up, so changes reach the screens seconds late.
MAX_BEHIND = MAX_SIDE_BY_SIDE
YIELD_SECONDS = 0.05


class Relay(ABC):
    """Flushes the outbox on a timer, in a greenlet of its own, and whenever it is woken.

    ``look`` looks for withdrawn access and is called every ``POLL_SECONDS``. A flush follows
    each call. So when ``look`` finds that access was withdrawn, the changes committed before
    that are announced before it is called again.
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
        """Stop relaying, and leave later changes to other processes. Idempotent.

        Switches greenlets: changes that are being announced reach every receiver first.
        """
        if self._background.is_running:
            self._background.stop()
            self._service.stop_relaying()

    def wake(self) -> None:
        """Flush soon, in the relay's own greenlet. Never blocks."""
        self._is_flush_wanted = True
        self._background.wake()

    def committed(self, changes: Sequence[Change]) -> None:
        """Announce ``changes``, which this process has just committed.

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
        """Tell the service that this process relays."""

    def _run(self) -> None:
        while self._background.wait(max(0.0, self._next_look_at - time.monotonic())):
            # Separately: if one fails, the other is still tried.
            if self._is_time_to_look():
                with self._look_failure.told():
                    self._look()
            with self._flush_failure.told():
                self._flush()

    def _is_time_to_look(self) -> bool:
        # Only on the timer, because a busy floor wakes the relay hundreds of times a second.
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

    The greenlet that commits a change announces it. The serving lock ensures that no other
    process relays, so rows that a dead process had claimed may be announced at once.
    """

    def _announce(self, changes: Sequence[Change]) -> None:
        self._service.announce(changes)

    def _begin(self) -> None:
        self._service.start_relaying(is_alone=True)


class SharedRelay(Relay):
    """The relay of one of many processes, with a broker on a server that may be slow or away.

    A status change must not wait for that server. So the relay's own greenlet announces
    changes, those of different sessions side by side. While the broker is away, relaying
    pauses and changes wait in the outbox: otherwise each would be tried and logged
    several times a second until the broker is back.
    """

    def __init__(self, service: WaiterService, broker: Broker, *, look: Callable[[], None]) -> None:
        super().__init__(service, look=look)
        self._broker = broker
        # Changes that this process has committed and the greenlet has not yet announced.
        self._committed: list[Change] = []

    def _announce(self, changes: Sequence[Change]) -> None:
        """Let the greenlet announce ``changes``; yield for a moment while too many are pending."""
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
    """Run ``tasks``, several at a time, each in a greenlet; raise the first exception of a task.

    All tasks have ended by then. If the caller is killed, they continue and end by themselves.
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
    # gevent prints the exceptions of greenlets, so side_by_side raises them to its caller instead.
    try:
        task()
    except Exception as error:  # noqa: BLE001 - raised again by side_by_side
        return error
    return None
