"""The generation: whether histories in Redis are still the ones that were written.

A generation is a number that rises whenever the data may have gone back: another server
answers, or the same one after a restart, a failover or the loss of its data. All channels'
epochs end with it. A server that lost its last writes would otherwise give their offsets
to other events, and a client that has seen the lost ones would miss the new ones without
noticing. So each such change costs every open stream one resync, and Redis needs no
persistence for our sake.

Processes learn of a new generation one after the other. A script that runs with a lower
number than the one a channel's epoch began in is refused with ``OUTDATED``, and the link
asks again: it must not end an epoch that another process has just begun.
"""

from __future__ import annotations

from gevent.event import Event


class Generation:
    """The generation as this process knows it; 0 until it has met Redis."""

    def __init__(self) -> None:
        self.number = 0
        self._has_changed = Event()

    def begin(self, number: int) -> None:
        """Believe only histories of generation ``number`` from now on. Never switches."""
        if number != self.number:
            self.number = number
            self._has_changed.set()
            self._has_changed = Event()

    def rise_to(self, number: int) -> None:
        """Begin generation ``number`` unless a higher one is known. Never switches."""
        self.begin(max(number, self.number))

    def wait_for_another(self) -> None:
        """Return once the generation is another than now."""
        number = self.number
        while self.number == number:
            self._has_changed.wait()
