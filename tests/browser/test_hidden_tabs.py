"""Hidden tabs that cannot share a stream have none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import HEARTBEAT, PLAIN_HOST
from tests.browser.demo import DESKTOP, Demo, press
from tests.browser.rehearsal import play
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

SHOW = """(visibility) => {
  Object.defineProperty(document, "visibilityState", { value: visibility, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
NO_LOCKS = "(stage) => ({ env: { locks: undefined } })"


def test_a_hidden_tab_closes_its_stream_and_resumes_when_it_is_shown(page: Page) -> None:
    told = play(
        page,
        f"""
        const show = {SHOW};
        const isOpen = ({{ readyState, CLOSED }}) => readyState !== CLOSED;
        const open = () => stage.sources.filter(isOpen).length;
        stage.source.say("connection", {{ heartbeatSeconds: 30 }}, "e-7");
        show("hidden");
        const hidden = [open(), stage.state, stage.detail.code];
        dispatchEvent(new Event("offline"));
        dispatchEvent(new Event("online"));
        await stage.pass(600_000);
        const meanwhile = open();
        show("visible");
        await stage.settle();
        return [hidden, meanwhile, open(), stage.state, stage.source.url.split("lastEventId=")[1]];
        """,
        prepare=NO_LOCKS,
    )
    assert told == [[0, "offline", "asleep"], 0, 1, "connecting", "e-7"]


def test_a_tab_opened_in_the_background_waits_until_it_is_shown(page: Page) -> None:
    page.evaluate(SHOW, "hidden")
    told = play(
        page,
        f"""
        await stage.pass(600_000);
        const before = stage.requests;
        ({SHOW})("visible");
        await stage.settle();
        return [before, stage.sources.length];
        """,
        prepare=NO_LOCKS,
    )
    assert told == [0, 1]


def test_a_hidden_tab_that_can_share_keeps_its_stream(page: Page) -> None:
    told = play(
        page,
        f"""
        stage.source.say("connection", {{ heartbeatSeconds: 30 }});
        ({SHOW})("hidden");
        await stage.pass(1_000);
        return [stage.state, stage.source.readyState];
        """,
    )
    assert told == ["live", 1]


def test_two_demo_tabs_over_plain_http_leave_connections_for_their_calls(
    new_context: Callable[..., BrowserContext], start_server: Callable[..., ServiceServer]
) -> None:
    """HTTP/1.1 allows six connections; each tab has five screens that follow a stream."""
    demo_server = start_server(DEMO="public", **HEARTBEAT)
    url = f"http://{PLAIN_HOST}:{demo_server.port}"
    context = new_context(viewport=DESKTOP)
    first = Demo(context, demo_server, url)
    assert first.page.evaluate("navigator.locks === undefined")
    first.page.evaluate(SHOW, "hidden")
    second = Demo(context, demo_server, url)
    assert demo_server.open_streams() == 5
    press(second.guest, "Water")
    expect(second.anna.get_by_role("heading", name="Water")).to_be_visible()

    second.page.evaluate(SHOW, "hidden")
    first.page.evaluate(SHOW, "visible")
    first.expect_links("Live")
    expect(first.anna.get_by_role("heading", name="Water")).to_be_visible()
    wait_until(lambda: demo_server.open_streams() == 5)
