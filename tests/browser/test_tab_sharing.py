"""The tabs of a browser share one stream, even if one closes, freezes or hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.follower import Follower, change
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

# A silence of 20 s is noticed after 2 s.
HURRY = 10


def test_two_tabs_share_one_stream(server: ServiceServer, context: BrowserContext) -> None:
    tabs = [Follower(context, server), Follower(context, server)]
    change(server, 5)
    for tab in tabs:
        tab.assert_right()
        assert len(tab.ids) == 5
    wait_until(lambda: server.open_streams() == 1)


def test_a_closing_tab_passes_the_stream_on_and_nothing_is_lost(
    server: ServiceServer, context: BrowserContext
) -> None:
    leader, heir, third = (Follower(context, server) for _ in range(3))
    worker = threading.Thread(target=change, args=(server, 40))
    worker.start()
    wait_until(lambda: leader.ids, 10)
    leader.page.close()
    while worker.is_alive():
        heir.ask("state()")
    worker.join()
    for tab in (heir, third):
        tab.assert_right()
        assert len(tab.ids) == 40
    wait_until(lambda: server.open_streams() == 1)


def test_a_freezing_tab_passes_the_stream_on_and_is_correct_when_it_resumes(
    server: ServiceServer, context: BrowserContext
) -> None:
    leader, heir = Follower(context, server), Follower(context, server)
    leader.page.evaluate("document.dispatchEvent(new Event('freeze'))")
    wait_until(lambda: len(heir.states) > 2)
    change(server, 5)
    heir.assert_right()
    assert len(heir.ids) == 5
    assert leader.ids == []
    leader.page.evaluate("document.dispatchEvent(new Event('resume'))")
    leader.assert_right()
    wait_until(lambda: server.open_streams() == 1)


def test_a_tab_that_hangs_is_replaced_and_follows_when_it_recovers(
    server: ServiceServer, context: BrowserContext
) -> None:
    leader, heir = Follower(context, server, hurry=HURRY), Follower(context, server, hurry=HURRY)
    hang = "const end = Date.now() + 8_000; while (Date.now() < end);"
    leader.page.evaluate(f"void setTimeout(() => {{ {hang} }}, 100)")
    change(server, 5)
    heir.assert_right(timeout=6)
    leader.assert_right()
    for tab in (heir, leader):
        assert len(tab.ids) == 5
    wait_until(lambda: server.open_streams() == 1)


def test_a_tab_opened_later_is_correct(server: ServiceServer, context: BrowserContext) -> None:
    first = Follower(context, server)
    change(server, 3)
    second = Follower(context, server)
    change(server, 3)
    for tab in (first, second):
        tab.assert_right()
    assert len(second.ids) == 3
    wait_until(lambda: server.open_streams() == 1)


def test_a_refused_tab_lets_another_try_with_its_own_login(
    server: ServiceServer, context: BrowserContext
) -> None:
    stranger = Follower(
        context,
        server,
        get_token=lambda: server.token("customer", "table-7", expires_in=-1),
        wait=False,
    )
    stranger.wait_for_state("refused")
    guest = Follower(context, server)
    change(server)
    guest.assert_right()
    assert stranger.state == "refused"


def test_other_tables_and_other_browsers_have_separate_streams(
    server: ServiceServer, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context()
    Follower(context, server)
    Follower(context, server, session_id="table-9")
    Follower(new_context(), server)
    wait_until(lambda: server.open_streams() == 3)


@pytest.mark.parametrize("options", [{"locks": False}, {"share": False}])
def test_tabs_that_cannot_share_have_separate_streams(
    server: ServiceServer, context: BrowserContext, options: dict[str, Any]
) -> None:
    tabs = [Follower(context, server, **options) for _ in range(2)]
    change(server, 3)
    for tab in tabs:
        tab.assert_right()
        assert len(tab.ids) == 3
    wait_until(lambda: server.open_streams() == 2)
