"""After any failure of page, network, server or token, the page is live and correct again."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.follower import Follower, change
from tests.browser.suspend import asleep
from tests.browser.tcp_proxy import TcpProxy
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until
from waiter_service import OrderStatus

pytestmark = [pytest.mark.browser, pytest.mark.long]


def test_every_event_of_a_burst_arrives_once_and_in_order(
    context: BrowserContext, server: ServiceServer
) -> None:
    page = Follower(context, server)
    change(server, 60)
    page.assert_right()
    offsets = [int(each.rpartition("-")[2]) for each in page.ids]
    assert len(offsets) == 60
    assert offsets == sorted(offsets)


def test_a_page_that_was_asleep_is_correct_when_it_wakes(
    context: BrowserContext, server: ServiceServer
) -> None:
    page = Follower(context, server)
    with asleep():
        change(server, 7)
    page.assert_right()
    assert len(page.ids) == 7


def test_a_page_is_correct_if_its_server_was_replaced_while_it_slept(
    own_server: ServiceServer, context: BrowserContext
) -> None:
    page = Follower(context, own_server)
    with asleep():
        change(own_server, 3)
        own_server.kill()
        own_server.start()
        change(own_server, 3)
    page.assert_right()


def test_a_frozen_page_holds_no_stream_and_resumes_after_its_last_event(
    context: BrowserContext, server: ServiceServer
) -> None:
    page = Follower(context, server)
    page.page.evaluate("document.dispatchEvent(new Event('freeze'))")
    wait_until(lambda: server.open_streams() == 0)
    change(server, 5)
    page.page.evaluate("document.dispatchEvent(new Event('resume'))")
    page.assert_right()
    assert len(page.ids) == 5
    assert page.states == ["connecting", "live", "offline", "connecting", "live"]


def test_a_page_without_network_shows_it_and_is_correct_when_the_network_returns(
    context: BrowserContext, server: ServiceServer
) -> None:
    page = Follower(context, server)
    context.set_offline(True)
    page.wait_for_state("offline")
    change(server, 5)
    context.set_offline(False)
    # At once, not after a pause.
    page.wait_for_state("live", timeout=2)
    page.assert_right()
    assert len(page.ids) == 5


def test_a_cut_connection_is_resumed(
    context: BrowserContext, server: ServiceServer, proxy: TcpProxy
) -> None:
    page = Follower(context, server, base_url=proxy.url)
    change(server, 2)
    page.assert_right()
    proxy.cut()
    page.wait_for_state("offline")
    change(server, 5)
    proxy.restore()
    page.assert_right()
    assert len(page.ids) == 7


def test_a_silent_connection_is_noticed_by_its_missing_heartbeats(
    context: BrowserContext, server: ServiceServer, proxy: TcpProxy
) -> None:
    page = Follower(context, server, base_url=proxy.url)
    proxy.silence()
    change(server, 5)
    page.wait_for_state("connecting")
    assert page.ask("seen.states.at(-1).code") == "silence"
    proxy.restore()
    proxy.drop()
    page.assert_right()
    assert len(page.ids) == 5


def test_a_page_that_is_shown_again_connects_at_once(
    context: BrowserContext, server: ServiceServer, proxy: TcpProxy
) -> None:
    # The timers never end, so only showing the page can reconnect it.
    page = Follower(context, server, base_url=proxy.url, hurry=1e-6)
    proxy.cut()
    page.wait_for_state("connecting")
    change(server)
    proxy.restore()
    page.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.assert_right(timeout=5)


def test_a_killed_server_is_found_again(own_server: ServiceServer, context: BrowserContext) -> None:
    page = Follower(context, own_server)
    change(own_server, 3)
    page.assert_right()
    own_server.kill()
    page.wait_for_state("offline")
    # The server is down, and a script makes a change.
    own_server.service.update_order_status("ord-1", OrderStatus.IN_PROGRESS)
    own_server.start()
    page.assert_right()
    # The history was lost with the process, and clients are told so.
    assert (
        page.ask("seen.refreshes.filter((each) => each.affectedData.includes('all')).length") == 1
    )


def test_a_deployed_server_loses_nothing(
    own_server: ServiceServer, context: BrowserContext
) -> None:
    page = Follower(context, own_server)
    change(own_server, 3)
    own_server.restart()
    change(own_server, 3)
    page.assert_right()
    assert len(page.ids) == 6


def test_a_token_is_renewed_before_it_expires(
    context: BrowserContext, server: ServiceServer
) -> None:
    def mint() -> str:
        return server.token("customer", "table-7", expires_in=4)

    page = Follower(context, server, get_token=mint)
    renewals = "seen.raw.filter(({ type }) => type === 'connection').length > 3"
    while not page.ask(renewals):
        change(server)
        page.page.wait_for_function("window.follower.state !== undefined")
    page.assert_right()
    assert page.states == ["connecting", "live"], "the app saw no interruption"
    assert not page.ask("seen.raw.some(({ type }) => type === 'closing')")


def test_a_stream_whose_token_could_not_be_renewed_comes_back_with_a_fresh_one(
    context: BrowserContext, server: ServiceServer
) -> None:
    def mint() -> str:
        return server.token("customer", "table-7", expires_in=3)

    page = Follower(context, server, get_token=mint)
    page.page.route("**/sse/token", lambda route: route.abort())
    wait_until(lambda: page.state != "live", 10)
    closing = page.ask("seen.raw.find(({ type }) => type === 'closing').data")
    assert closing["code"] == "token_expired"
    change(server, 2)
    page.page.unroute("**/sse/token")
    page.assert_right()
    assert len(page.ids) == 2


def test_a_rejected_login_is_refused_until_the_next_one(
    context: BrowserContext, server: ServiceServer
) -> None:
    tokens = [server.token("customer", "table-7", expires_in=-1)]
    page = Follower(context, server, get_token=lambda: tokens[-1], wait=False)
    page.wait_for_state("refused")
    assert page.ask("seen.states.at(-1).code") == "http_401"
    tokens.append(server.token("customer", "table-7"))
    page.ask("feed.reconnect()")
    page.wait_for_state("live")


def test_another_guests_table_is_refused(context: BrowserContext, server: ServiceServer) -> None:
    page = Follower(
        context,
        server,
        session_id="table-9",
        get_token=lambda: server.token("customer", "table-7"),
        wait=False,
    )
    page.wait_for_state("refused")
    assert page.ask("seen.states.at(-1).code") == "http_403"


def test_the_page_of_a_closed_table_is_told_and_does_not_reconnect(
    own_server: ServiceServer, context: BrowserContext
) -> None:
    page = Follower(context, own_server)
    own_server.service.close_session("table-7", force=True, reason="gone")
    page.wait_for_state("refused")
    assert page.ask("seen.states.at(-1).code") == "session_closed"
    assert own_server.open_streams() == 0
    late = Follower(context, own_server, wait=False)
    late.wait_for_state("refused")
    assert late.ask("seen.states.at(-1).code") == "session_closed"
