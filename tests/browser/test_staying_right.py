"""Whatever happens to the page, the network, the server or the token: live and right again."""

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


def test_a_page_that_was_asleep_is_right_when_it_wakes(
    context: BrowserContext, server: ServiceServer
) -> None:
    page = Follower(context, server)
    with asleep():
        change(server, 7)
    page.assert_right()
    assert len(page.ids) == 7


def test_a_page_is_right_when_its_server_was_replaced_while_it_was_asleep(
    mortal: ServiceServer, context: BrowserContext
) -> None:
    page = Follower(context, mortal)
    with asleep():
        change(mortal, 3)
        mortal.kill()
        mortal.start()
        change(mortal, 3)
    page.assert_right()


def test_a_frozen_page_holds_no_stream_and_resumes_where_it_was(
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


def test_a_page_without_network_says_so_and_is_right_when_it_returns(
    context: BrowserContext, server: ServiceServer
) -> None:
    page = Follower(context, server)
    context.set_offline(True)
    page.wait_for_state("offline")
    change(server, 5)
    context.set_offline(False)
    # At once, and not when some pause is over.
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
    proxy.mend()
    page.assert_right()
    assert len(page.ids) == 7


def test_a_connection_that_has_gone_silent_is_noticed_by_its_missing_heartbeats(
    context: BrowserContext, server: ServiceServer, proxy: TcpProxy
) -> None:
    page = Follower(context, server, base_url=proxy.url)
    proxy.silence()
    change(server, 5)
    page.wait_for_state("connecting")
    assert page.ask("seen.states.at(-1).code") == "silence"
    proxy.mend()
    proxy.drop()
    page.assert_right()
    assert len(page.ids) == 5


def test_a_page_that_is_looked_at_again_does_not_wait_for_its_next_attempt(
    context: BrowserContext, server: ServiceServer, proxy: TcpProxy
) -> None:
    # Timers that never end: only looking can bring it back.
    page = Follower(context, server, base_url=proxy.url, hurry=1e-6)
    proxy.cut()
    page.wait_for_state("connecting")
    change(server)
    proxy.mend()
    page.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.assert_right(timeout=5)


def test_a_killed_server_is_found_again(mortal: ServiceServer, context: BrowserContext) -> None:
    page = Follower(context, mortal)
    change(mortal, 3)
    page.assert_right()
    mortal.kill()
    page.wait_for_state("offline")
    # Nobody serves, but somebody works: a till, a script.
    mortal.service.update_order_status("ord-1", OrderStatus.IN_PROGRESS)
    mortal.start()
    page.assert_right()
    # Its memory died with it, and it says so instead of staying silent.
    assert (
        page.ask("seen.refreshes.filter((each) => each.affectedData.includes('all')).length") == 1
    )


def test_a_deployed_server_loses_nothing(mortal: ServiceServer, context: BrowserContext) -> None:
    page = Follower(context, mortal)
    change(mortal, 3)
    mortal.restart()
    change(mortal, 3)
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
    assert page.states == ["connecting", "live"], "nobody noticed"
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


def test_somebody_elses_table_is_refused(context: BrowserContext, server: ServiceServer) -> None:
    page = Follower(
        context,
        server,
        session_id="table-9",
        get_token=lambda: server.token("customer", "table-7"),
        wait=False,
    )
    page.wait_for_state("refused")
    assert page.ask("seen.states.at(-1).code") == "http_403"


def test_a_closed_table_is_told_so_and_not_asked_again(
    mortal: ServiceServer, context: BrowserContext
) -> None:
    page = Follower(context, mortal)
    mortal.service.close_session("table-7", force=True, reason="gone")
    page.wait_for_state("refused")
    assert page.ask("seen.states.at(-1).code") == "session_closed"
    assert mortal.open_streams() == 0
    late = Follower(context, mortal, wait=False)
    late.wait_for_state("refused")
    assert late.ask("seen.states.at(-1).code") == "session_closed"
