"""A screen that stays correct after every failure, and records all events it received.

The least that an app does with ``notifications.js``: load a snapshot, follow the stream
from it, compare versions, and reconnect after every end. Over TLS, through nginx.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.support.nginx_server import NginxServer
from tests.support.sse_client import SseRefused
from tests.support.sse_parser import SseEvent
from tests.support.tls_sse_client import TlsSseClient

# Browsers wait for 2 to 5 s. Tests have less time and want storms.
PAUSE_SECONDS = (0.1, 0.5)
# Many heartbeats, one a second, are missing: the connection is dead.
SILENCE_SECONDS = 20.0
# Within a second the service notices that its database went back, and a busy machine later.
GONE_BACK_SECONDS = 5.0


@dataclass
class Book:
    """The events that a screen received, and the errors in them."""

    connects: int = 0
    resumed: int = 0
    resyncs: int = 0
    loads: int = 0
    events: int = 0
    refusals: dict[int, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    repeated: int = 0


class FollowingClient:
    """Follows one session, or one waiter's floor, until it is stopped.

    ``versions`` is what the screen shows: the version of each request and order, by id.
    """

    def __init__(self, nginx: NginxServer, kind: str, who: str, mint: Callable[[], str]) -> None:
        self.kind, self.who = kind, who
        self.book = Book()
        self.versions: dict[str, int] = {}
        self.tables: set[str] = set()
        self.is_live = False
        self._nginx = nginx
        self._tls = nginx.tls("http/1.1")
        self._mint = mint
        self._path = f"/sse/{kind}/{who}"
        self._snapshot = f"/api/{kind}s/{who}" + ("/floor" if kind == "waiter" else "")
        self._place = ""
        self._is_stale = True
        self._session_of: dict[str, str] = {}
        self._told: dict[tuple[str, int], str] = {}
        self._told_again: list[tuple[float, str]] = []
        self._ids: set[str] = set()
        self._started_at = time.monotonic()
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{kind} {who}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._is_stopping.set()

    def join(self) -> None:
        self._thread.join(15)
        assert not self._thread.is_alive(), f"{self.kind} {self.who} does not stop"

    # --- staying connected

    def _run(self) -> None:
        try:
            while not self._is_stopping.is_set():
                if not self._place and not self._load():
                    self._pause()
                    continue
                self._listen()
                self.is_live = False
                self._pause()
            self._judge_told_again(math.inf)
        except Exception as error:  # noqa: BLE001 - told where the test looks
            self.book.complaints.append(f"the client failed: {error!r}")

    def _pause(self) -> None:
        self._is_stopping.wait(random.uniform(*PAUSE_SECONDS))

    def _load(self) -> bool:
        """Load the snapshot. Without an earlier position, continue from its end."""
        self._is_stale = True
        snapshot = self._get(self._snapshot)
        if snapshot is None:
            return False
        tables = [snapshot]
        if self.kind == "waiter":
            # The floor shows only what is open. To notice a missing item, all items are needed.
            tables = [self._get(f"/api/sessions/{each['id']}") for each in snapshot["sessions"]]
            if None in tables:
                return False
        self.tables = {table["id"] for table in tables if table}
        self.versions.clear()  # a database that went back has lower ones
        for table in tables:
            for thing in [*table.get("requests", ()), *table.get("orders", ())]:
                self._see(thing["id"], table["id"], thing["version"])
        self._place = self._place or snapshot["cursor"]
        self.book.loads += 1
        self._is_stale = False
        return True

    def _get(self, path: str) -> Any:
        """Return the versions; none of a table that was transferred by then; None to try again."""
        try:
            answer = self._nginx.get(path, token=self._mint(), timeout=15)
        except requests.RequestException:  # refused, reset, or broken off
            return None
        if answer.status_code in (429, 502, 503, 504):
            return None
        if answer.status_code == 404 and path != self._snapshot:
            return {}
        answer.raise_for_status()
        return answer.json()

    def _listen(self) -> None:
        try:
            client = TlsSseClient(
                self._nginx.url + self._path,
                tls=self._tls,
                token=self._mint(),
                last_event_id=self._place,
            )
        except SseRefused as refusal:
            self.book.refusals[refusal.status] = self.book.refusals.get(refusal.status, 0) + 1
            if refusal.status not in (429, 502, 503, 504):
                self.book.complaints.append(f"refused: {refusal}")
            return
        except (OSError, AssertionError):
            return  # cut off in the middle of its head
        with client:
            while not self._is_stopping.is_set():
                event = self._next(client)
                if event is None:
                    return
                self._take(event)
                if self._is_stale:
                    self._load()

    def _next(self, client: TlsSseClient) -> SseEvent | None:
        """Return the next event of any type; None when the stream is over."""
        deadline = time.monotonic() + SILENCE_SECONDS
        while time.monotonic() < deadline and not self._is_stopping.is_set():
            if (event := client.next_of_all(timeout=1.0)) is not None:
                return event
            if client.has_ended:
                if client.failure is not None and not isinstance(client.failure, OSError):
                    self._complain(f"malformed stream: {client.failure!r}")
                return None
        if not self._is_stopping.is_set():
            self._complain(f"silent for {SILENCE_SECONDS:g} s")
        return None

    # --- events

    def _take(self, event: SseEvent) -> None:
        match event.type:
            case "connection":
                self.is_live = True
                self.book.connects += 1
                self.book.resumed += event.data["resumed"]
            case "order_update" | "request_update":
                self._note_place(event)
                self._update(event.data)
            case "cache_refresh" if "all" in event.data["affectedData"]:
                self.book.resyncs += 1
                self._judge_told_again(time.monotonic() - GONE_BACK_SECONDS)
                self._place = event.id or ""
                self._is_stale = True
            case "session_transfer":
                self._note_place(event)
                self._hand_over(event.data)
            case "cache_refresh":
                self._note_place(event)

    def _note_place(self, event: SseEvent) -> None:
        """Check that each event comes once, directly after the one before it."""
        self.book.events += 1
        assert event.id is not None, f"{event.type} without an id"
        if event.id in self._ids:
            self._complain(f"{event.id} came twice")
        self._ids.add(event.id)
        epoch, _, offset = event.id.rpartition("-")
        last_epoch, _, last_offset = self._place.rpartition("-")
        if epoch != last_epoch or int(offset) != int(last_offset) + 1:
            self._complain(f"{event.id} came after {self._place}, and no resync between them")
        self._place = event.id

    def _update(self, data: dict[str, Any]) -> None:
        thing_id: str = data.get("orderId") or data["requestId"]
        version: int = data["version"]
        first = self._told.setdefault((thing_id, version), self._place)
        if first.rpartition("-")[0] != self._place.rpartition("-")[0]:
            # Redis lost its data, including the fact that this was sent before.
            self.book.repeated += 1
        elif first != self._place:
            text = f"{thing_id}, version {version}, came as {first} and {self._place}"
            self._told_again.append((time.monotonic(), text))
        if self.kind == "waiter" and data["sessionId"] not in self.tables:
            # The snapshot was newer: the table had been transferred again by then.
            return
        known = self.versions.get(thing_id, 0)
        if version > known + 1 and not self._is_stale:
            self._complain(f"version {version} of {thing_id} came after {known}")
        self._see(thing_id, data["sessionId"], version)

    def _judge_told_again(self, good_since: float) -> None:
        """Excuse what came twice right before a resync: the database had gone back by then."""
        for at, text in self._told_again:
            if at < good_since:
                self._complain(text)
            else:
                self.book.repeated += 1
        self._told_again.clear()

    def _hand_over(self, data: dict[str, Any]) -> None:
        session_id: str = data["sessionId"]
        if self.kind == "waiter" and data["waiterId"] == self.who:
            self._is_stale = True  # only the snapshot shows what is open there
        elif self.kind == "waiter":
            self.tables.discard(session_id)
            self._forget(lambda of: of == session_id)

    def _see(self, thing_id: str, session_id: str, version: int) -> None:
        if version >= self.versions.get(thing_id, 0):
            self.versions[thing_id] = version
            self._session_of[thing_id] = session_id

    def _forget(self, is_gone: Callable[[str], bool]) -> None:
        """Take things of some sessions off the screen."""
        for thing_id in list(self.versions):
            if is_gone(self._session_of[thing_id]):
                del self.versions[thing_id]

    def _complain(self, text: str) -> None:
        seconds = time.monotonic() - self._started_at
        self.book.complaints.append(f"{self.kind} {self.who} after {seconds:.1f} s: {text}")
