"""The contract of presence: how many streams a deployment has, and which processes serve them.

It stands beside the broker's: a broker may be up while presence is not known, and
presence decides only about figures and about how streams are closed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

Counts = Mapping[str, int]
"""Figures by name; those of several processes are added up."""


class WaiterCounts(Protocol):
    """How many streams each waiter has in this process. Never switches greenlets."""

    def of_venue(self, venue_id: str) -> Counts: ...

    @property
    def venues(self) -> Collection[str]: ...

    def take_changed(self) -> set[str]: ...


class Presence(ABC):
    """What this process tells the other processes of its deployment, and hears from them."""

    @abstractmethod
    def start(self, counts: Callable[[], Counts], waiters: WaiterCounts | None = None) -> None:
        """Begin to tell the others what ``counts`` returns, about every second. Idempotent.

        ``counts`` must be quick and must not switch greenlets. ``waiters`` is told too, when
        it changes.
        """

    @abstractmethod
    def stop(self) -> None:
        """Have this process no longer counted. Idempotent; may switch greenlets."""

    @abstractmethod
    def total(self) -> Counts:
        """Return the sum over all living processes. May switch greenlets.

        This process's part is as of now, that of the others up to two seconds old. While
        they cannot be asked, it is what they said last.
        """

    @abstractmethod
    def waiter_streams(self, venue_id: str) -> Counts:
        """Return how many streams each waiter of a venue has, in all living processes.

        Without those who have none. This process's part is as of now, that of the others a
        second or two old; a process that died is counted for up to a minute more. While the
        others cannot be asked, it is this process's part alone. May switch greenlets.
        """

    @abstractmethod
    def announce_end(self) -> None:
        """Tell the others that this process opens no more streams. Never switches greenlets."""

    @abstractmethod
    def others_serve(self) -> bool:
        """Return whether another process serves that has not announced its end.

        False if that is not known. May switch greenlets.
        """


class OnlyProcess(Presence):
    """The presence of a deployment that is one process."""

    def __init__(self) -> None:
        self._counts: Callable[[], Counts] = dict
        self._waiters: WaiterCounts | None = None

    def start(self, counts: Callable[[], Counts], waiters: WaiterCounts | None = None) -> None:
        """Take ``counts`` and ``waiters`` for the whole deployment's."""
        self._counts, self._waiters = counts, waiters

    def stop(self) -> None:
        """Do nothing: no other process counts this one."""

    def total(self) -> Counts:
        """Return this process's own counts."""
        return self._counts()

    def waiter_streams(self, venue_id: str) -> Counts:
        """Return this process's own counts."""
        return self._waiters.of_venue(venue_id) if self._waiters else {}

    def announce_end(self) -> None:
        """Do nothing: no other process listens."""

    def others_serve(self) -> bool:
        """Return False: no other process hears what this one publishes."""
        return False
