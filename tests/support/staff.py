"""The staff of a busy evening: they change things in every way, and retry until it is done."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests

from tests.support.deployment import Deployment
from waiter_service import Database, WaiterService
from waiter_service.errors import DatabaseUnavailable, WaiterServiceError

# Between two changes of one order or request: ten a second in all. What gathers in
# the longest outage is announced while two cores, shared with the clients, go on.
PACE_SECONDS = 2.4
ORDER_LIFE = ("Acknowledged", "InProgress", "Complete", "Delivered", "Paid")
REQUEST_LIFE = ("Acknowledged", "InProgress", "Completed", "Done")


@dataclass
class Failure:
    """A call that failed and was tried again."""

    phases: set[str]
    what: str


class Staff:
    """Serves ``tables``: through nginx, by a script, and with a change of shifts.

    ``phase`` is what is being done to the house, for what is noted.
    """

    def __init__(
        self, deployment: Deployment, database_url: str, tables: list[str], waiters: list[str]
    ) -> None:
        self.phase = "peace"
        self.times_undone = 0
        """How often the database has lost what they did last."""
        self.failures: list[Failure] = []
        self.took: dict[str, list[tuple[float, str]]] = defaultdict(list)
        """Seconds of each call that was carried out, and which it was, by phase."""
        self.changes = 0
        self.script = WaiterService(Database(database_url))
        self._deployment = deployment
        self._tables = tables
        self._waiters = waiters
        self._is_stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for table in self._tables:
            self._employ(partial(self._serve_over_http, table))
            self._employ(partial(self._serve_by_script, table))
        self._employ(self._change_shifts)

    def stop(self) -> None:
        self._is_stopping.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), f"{thread.name} does not end"

    def close(self) -> None:
        self.stop()
        self.script.database.dispose()

    def _employ(self, work: Callable[[], None]) -> None:
        def run() -> None:
            while not self._is_stopping.is_set():
                known = self.times_undone
                try:
                    work()
                except (requests.HTTPError, WaiterServiceError) as error:
                    if known == self.times_undone:
                        return self._give_up(error)
                    # The thing is gone, or has an earlier status again: begin with a new one.
                except Exception as error:  # noqa: BLE001 - told where the test looks
                    return self._give_up(error)
            return None

        thread = threading.Thread(target=run, name=f"work {len(self._threads)}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _give_up(self, error: Exception) -> None:
        self.failures.append(Failure({"for good"}, f"{error!r} {_answer_of(error)}"))

    def _serve_over_http(self, table: str) -> None:
        order = self._insist(
            f"POST order at {table}",
            lambda: self._call(
                "POST", f"/api/sessions/{table}/orders", items=[{"name": "Tea", "quantity": 1}]
            ),
        )
        for status in ORDER_LIFE:
            self._insist(
                f"PATCH order of {table} to {status}",
                partial(self._call, "PATCH", f"/api/orders/{order['id']}", status=status),
            )

    def _serve_by_script(self, table: str) -> None:
        request = self._insist(
            f"create_request at {table}",
            lambda: self.script.create_request(table, "water").request,
        )
        for status in REQUEST_LIFE:
            self._insist(
                f"update_request_status at {table} to {status}",
                partial(self.script.update_request_status, request.id, status),
            )

    def _change_shifts(self) -> None:
        """The last table goes from waiter to waiter."""
        for waiter in self._waiters:
            self._insist(
                f"transfer to {waiter}",
                partial(
                    self.script.transfer_sessions,
                    to_waiter_id=waiter,
                    session_ids=[self._tables[-1]],
                ),
            )
            self._rest(1.0)

    def _call(self, method: str, path: str, **body: object) -> Any:
        return self._deployment.call(method, path, "manager", "boss", json=body)

    def _insist(self, what: str, attempt: Callable[[], Any]) -> Any:
        """Make a change, however often it takes; note what went wrong, and how long it took."""
        while True:
            before, started = self.phase, time.monotonic()
            try:
                done = attempt()
            except (requests.RequestException, DatabaseUnavailable) as error:
                response = getattr(error, "response", None)
                if response is not None and response.status_code not in (502, 503, 504):
                    raise
                phases = {before, self.phase}
                self.failures.append(Failure(phases, f"{what}: {error} {_answer_of(error)}"))
                if self._is_stopping.is_set():
                    raise
                time.sleep(0.2)
            else:
                took = time.monotonic() - started
                self.took[before].append((took, what))
                self.changes += 1
                self._rest(PACE_SECONDS)
                return done

    def _rest(self, seconds: float) -> None:
        self._is_stopping.wait(seconds * random.uniform(0.5, 1.5))


def _answer_of(error: Exception) -> str:
    response = getattr(error, "response", None)
    return "" if response is None else response.text
