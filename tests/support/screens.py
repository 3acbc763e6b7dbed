"""Guests' screens that reconnect when they are told to, and how long each was dark."""

from __future__ import annotations

import os
import signal
import threading
import time

from tests.support.crowd import Crowd, Member
from tests.support.service_server import ServiceServer


class Screen:
    """A guest's screen. It reconnects when it was told to, as often as necessary."""

    def __init__(self, server: ServiceServer, number: int) -> None:
        self._path = f"/sse/session/guest-{number}"
        self._token = server.token("customer", f"guest-{number}")
        self._retry_seconds = 0.0
        self._next_try_at = 0.0
        self._last_event_id: str | None = None
        self._went_dark_at: float | None = None
        self.dark_seconds: float | None = None
        self.member: Member | None = None

    def look(self, crowd: Crowd) -> None:
        """Record that the stream has ended or is back, and reconnect once it is time."""
        now = time.monotonic()
        if self.member is not None and self.member.ended_at is not None:
            if self._went_dark_at is None:
                self._went_dark_at = self.member.ended_at
                closing = self.member.of_type("closing")[-1].data
                self._retry_seconds = closing["reconnectInMs"] / 1000
            self._next_try_at = self.member.ended_at + self._retry_seconds
            self._last_event_id = self.member.last_event_id
            self.member = None
        if self.member is None and now >= self._next_try_at:
            try:
                [self.member] = crowd.join([(self._path, self._token, self._last_event_id)])
            except OSError:
                self._next_try_at = now + self._retry_seconds
        if self._went_dark_at is not None and self.dark_seconds is None and self.is_live:
            assert self.member is not None
            self.dark_seconds = self.member.events[0].received_at - self._went_dark_at

    @property
    def is_live(self) -> bool:
        # The first event is the connection event. This check runs often and must cost little,
        # because the screens share the machine with the server.
        return self.member is not None and bool(self.member.events)


def restart(server: ServiceServer) -> None:
    os.kill(server.pid, signal.SIGTERM)
    server.wait_exit()
    server.restart(wait=False)


def watch(screens: list[Screen], server: ServiceServer, crowd: Crowd) -> list[float]:
    """Restart ``server`` and return how long each screen was dark, the shortest time first.

    Screens whose stream ends reconnect through ``crowd``.
    """
    restarting = threading.Thread(target=restart, args=[server])
    restarting.start()
    give_up_at = time.monotonic() + 60
    away = screens
    while away:
        assert time.monotonic() < give_up_at, "not all screens have reconnected"
        for screen in away:
            screen.look(crowd)
        away = [screen for screen in away if screen.dark_seconds is None]
        time.sleep(0.01)
    restarting.join()
    server.wait_healthy()
    return sorted(screen.dark_seconds or 0.0 for screen in screens)


def connect_all(screens: list[Screen], crowd: Crowd) -> None:
    """Open a stream for each screen."""
    for screen in screens:
        screen.look(crowd)
    while not all(screen.is_live for screen in screens):
        time.sleep(0.05)
