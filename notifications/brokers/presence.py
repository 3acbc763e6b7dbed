"""The contract of presence: how many streams a deployment has, and which processes serve them.

It stands beside the broker's: a broker may be up while presence is not known, and
presence decides only about figures and about how streams are closed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

Counts = Mapping[str, int]
"""Figures by name; those of several processes are added up."""


class Presence(ABC):
    """What this process tells the other processes of its deployment, and hears from them."""

    @abstractmethod
    def start(self, counts: Callable[[], Counts]) -> None:
        """Begin to tell the others what ``counts`` returns, about every second. Idempotent.

        ``counts`` must be quick and must not switch greenlets.
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

    def start(self, counts: Callable[[], Counts]) -> None:
        """Take ``counts`` for the whole deployment's."""
        self._counts = counts

    def stop(self) -> None:
        """Do nothing: no other process counts this one."""

    def total(self) -> Counts:
        """Return this process's own counts."""
        return self._counts()

    def announce_end(self) -> None:
        """Do nothing: no other process listens."""

    def others_serve(self) -> bool:
        """Return False: no other process hears what this one publishes."""
        return False
