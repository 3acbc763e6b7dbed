"""A page that follows a table; what it shows is compared with the server's data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

_SCRIPT = (Path(__file__).parent / "follower.js").read_text()


class Follower:
    """A tab that follows ``session_id`` through ``notifications.js``.

    ``base_url`` is the server's or a proxy's; ``get_token`` answers the page's
    ``getToken``; ``options`` go to ``connect``, but ``hurry`` divides its timers
    and ``locks=False`` hides the Web Locks.
    """

    def __init__(
        self,
        context: BrowserContext,
        server: ServiceServer,
        *,
        base_url: str = "",
        session_id: str = "table-7",
        get_token: Callable[[], str | None] | None = None,
        wait: bool = True,
        **options: object,
    ) -> None:
        self._server = server
        self._session_id = session_id
        self.page: Page = context.new_page()
        self.page.expose_function(
            "getToken", get_token or (lambda: server.token("customer", session_id))
        )
        # Any page of the same origin works.
        self.page.goto(f"{base_url or server.url}/sse/health")
        arguments = {
            "path": f"/sse/session/{session_id}",
            "snapshotPath": f"/api/sessions/{session_id}",
            "options": options,
        }
        self.page.evaluate(_SCRIPT, arguments)
        if wait:
            self.wait_for_state("live")

    def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression about ``follower``."""
        return self.page.evaluate(f"(({{ seen, feed, state }}) => {expression})(window.follower)")

    @property
    def state(self) -> str:
        state: str = self.ask("feed.state")
        return state

    @property
    def states(self) -> list[str]:
        """The states so far, without repetitions in a row."""
        said: list[str] = self.ask("seen.states.map(({ state }) => state)")
        return [each for index, each in enumerate(said) if index == 0 or said[index - 1] != each]

    @property
    def ids(self) -> list[str]:
        """The ids of the events it received, in order."""
        ids: list[str] = self.ask("seen.ids")
        return ids

    def wait_for_state(self, state: str, timeout: float = 30.0) -> None:
        """Wait until the feed has this state."""
        wait_until(
            lambda: self.state == state, timeout, lambda: f"{state}: {self.ask('seen.states')}"
        )

    def truth(self) -> dict[str, dict[str, object]]:
        """Return the server's data of the table."""
        token = self._server.token("manager", "boss")
        snapshot = self._server.get(f"/api/sessions/{self._session_id}", token=token).json()
        return {
            each["id"]: {"status": each["status"], "version": each["version"]}
            for each in [*snapshot["requests"], *snapshot["orders"]]
        }

    def assert_right(self, timeout: float = 30.0) -> None:
        """Assert that it becomes live and shows the server's data, and that no event came twice."""
        self.wait_for_state("live", timeout)
        wait_until(
            lambda: self.ask("state()") == self.truth(),
            timeout,
            lambda: f"shown: {self.ask('state()')}, true: {self.truth()}, ids: {self.ids}",
        )
        assert len(self.ids) == len(set(self.ids)), f"an event came twice: {self.ids}"


def change(server: ServiceServer, times: int = 1) -> None:
    """Move table 7's order forwards and back over HTTP; each move is one event."""
    token = server.token("waiter", "anna")
    status = server.get("/api/sessions/table-7", token=token).json()["orders"][0]["status"]
    for _ in range(times):
        status = "New" if status == "Acknowledged" else "Acknowledged"
        answer = server.request("PATCH", "/api/orders/ord-1", token=token, json={"status": status})
        assert answer.ok, answer.text
