"""Only the service's own refusal ends a feed; any other failure is an outage."""

from __future__ import annotations

import itertools

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from tests.browser.follower import Follower, change
from tests.browser.rehearsal import play
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

FINAL = [401, 403, 404, 410]


@pytest.mark.parametrize(
    ("what", "status"), [("**/sse/token", 401), ("**/sse/token", 404), ("**/sse/session/*", 403)]
)
def test_an_answer_of_a_proxy_is_an_outage(
    context: BrowserContext, server: ServiceServer, what: str, status: int
) -> None:
    page = Follower(context, server, hurry=10)
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=status, content_type="text/html", body="<h1>Deploying</h1>")

    page.page.route(what, refuse)
    page.ask("feed.reconnect()")
    wait_until(lambda: page.state == "offline" and len(refused) > 3, 20)
    assert page.ask("seen.states.at(-1).reason") == "The service cannot be reached at the moment."
    change(server)
    page.page.unroute(what)
    page.assert_right()


def test_the_services_own_refusal_of_a_login_is_final(page: Page) -> None:
    for status in FINAL:
        told = play(
            page,
            "await stage.pass(600_000); return [stage.state, stage.detail.code, stage.requests];",
            prepare=f"(stage) => {{ stage.tokenAnswer = () => stage.refusal({status}); }}",
        )
        assert told == ["refused", f"http_{status}", 1]


def test_the_same_status_from_elsewhere_is_tried_again(page: Page) -> None:
    for status, kind in itertools.product(FINAL, ("text/html", "application/json", "")):
        states, requests = play(
            page,
            """
            await stage.pass(600_000);
            const requests = stage.requests;
            stage.tokenAnswer = null;
            while (!stage.source) await stage.pass(1_000);
            stage.source.say("connection", { heartbeatSeconds: 30 });
            return [[...new Set(stage.states)], requests];
            """,
            prepare=f"""(stage) => {{
              stage.tokenAnswer = () => stage.refusal({status}, {{ type: "{kind}" }});
            }}""",
        )
        assert states == ["connecting", "offline", "live"], (status, kind)
        assert requests <= 25, (status, kind)


def test_the_services_own_refusal_of_a_stream_is_final(page: Page) -> None:
    for status in (403, 404, 410):
        told = play(
            page,
            f"""
            stage.answer = stage.refusal({status});
            stage.source.reject();
            await stage.pass(600_000);
            return [stage.state, stage.requests];
            """,
        )
        # A token, a stream, and the attempt that found the refusal.
        assert told == ["refused", 3], status


def test_a_rejected_stream_token_is_exchanged_for_another(page: Page) -> None:
    state, url = play(
        page,
        """
        stage.answer = stage.refusal(401);
        stage.source.reject();
        await stage.pass(2_000);
        stage.answer = { ok: true };
        await stage.pass(4_000);
        stage.source.say("connection", { heartbeatSeconds: 30 });
        return [stage.state, stage.source.url];
        """,
    )
    assert state == "live"
    assert "token=stream-2" in url


def test_a_captive_portal_is_an_outage_and_gets_one_request_per_attempt(page: Page) -> None:
    states, requests, attempts = play(
        page,
        """
        const headers = new Headers({ "Content-Type": "text/html" });
        stage.answer = { ok: true, status: 200, headers };
        stage.source.reject();
        const before = stage.requests;
        let attempts = 0;
        for (; attempts < 10; attempts += 1) await stage.pass(stage.detail.retryInMs);
        return [[...new Set(stage.states)], stage.requests - before, attempts];
        """,
    )
    assert states == ["connecting", "offline"]
    assert requests == attempts


def test_one_refused_attempt_is_one_request(page: Page) -> None:
    for status in (429, 502, 503):
        per_attempt = play(
            page,
            f"""
            stage.answer = stage.refusal({status}, {{ type: "text/plain" }});
            const perAttempt = [stage.requests];
            stage.source.reject();
            for (let attempt = 0; attempt < 5; attempt += 1) {{
              const before = stage.requests;
              await stage.pass(stage.detail.retryInMs);
              perAttempt.push(stage.requests - before);
            }}
            return perAttempt;
            """,
        )
        assert per_attempt == [2, 1, 1, 1, 1, 1], "only the first one needs a token as well"


def test_a_closing_event_is_final_only_if_it_says_so(page: Page) -> None:
    for data, state in {
        "{ code: 'token_revoked', reason: 'x', reconnect: false }": "refused",
        "{ code: 'moved', reason: 'x', reconnect: false }": "refused",
        "{ code: 'moved', reason: 'x', reconnect: true }": "connecting",
        "{}": "connecting",
        "null": "connecting",
    }.items():
        told = play(page, f"stage.source.say('closing', {data}); return stage.state;")
        assert told == state, data
