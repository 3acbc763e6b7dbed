"""The client does not disturb a healthy stream or overload a failing service."""

from __future__ import annotations

import itertools

import pytest
from playwright.sync_api import Page

from tests.browser.rehearsal import play

pytestmark = pytest.mark.browser

LOOK = 'document.dispatchEvent(new Event("visibilitychange"));'


def test_looking_at_a_healthy_page_opens_no_stream(page: Page) -> None:
    requests, states = play(
        page,
        f"""
        stage.source.say("connection", {{ heartbeatSeconds: 30 }});
        const before = stage.requests;
        for (let beat = 0; beat < 4; beat += 1) {{
          for (let second = 0; second < 31; second += 1) {{
            await stage.pass(1_000);
            {LOOK}
          }}
          stage.source.say("heartbeat", {{}});
        }}
        return [stage.requests - before, stage.states];
        """,
    )
    assert requests == 0
    assert states == ["connecting", "live"]


def test_looking_at_a_page_whose_heartbeat_is_overdue_opens_another(page: Page) -> None:
    streams, states = play(
        page,
        f"""
        stage.source.say("connection", {{ heartbeatSeconds: 30 }});
        await stage.pass(36_000);
        {LOOK}
        await stage.settle();
        return [stage.sources.length, stage.states];
        """,
    )
    assert streams == 2
    assert states == ["connecting", "live", "connecting"]


def test_an_unstable_connection_is_opened_less_and_less_often(page: Page) -> None:
    pauses = play(
        page,
        """
        const pauses = [];
        for (let round = 0; round < 6; round += 1) {
          stage.source.say("connection", { heartbeatSeconds: 30 });
          await stage.pass(12_000);
          stage.source.lose();
          await stage.settle();
          pauses.push(stage.detail.retryInMs ?? "the browser's");
          await stage.pass(stage.detail.retryInMs ?? 0);
        }
        return pauses;
        """,
    )
    assert pauses == ["the browser's", 4_000, 8_000, 16_000, 30_000, 30_000]


def test_a_stream_of_a_minute_resets_the_pause_of_earlier_failures(page: Page) -> None:
    state, pause = play(
        page,
        """
        for (let attempt = 0; attempt < 5; attempt += 1) {
          stage.source.lose();
          await stage.pass(stage.detail.retryInMs);
        }
        stage.source.say("connection", { heartbeatSeconds: 60 });
        await stage.pass(61_000);
        stage.source.say("closing", { code: "failed", reason: "", reconnect: true });
        return [stage.state, stage.detail.retryInMs];
        """,
    )
    assert (state, pause) == ("connecting", 2_000)


@pytest.mark.parametrize(
    "trouble",
    [
        'dispatchEvent(new Event("offline")); dispatchEvent(new Event("online"));',
        f"stage.source.lose(); {LOOK}",
        "stage.feed.reconnect();",
    ],
    ids=["network", "looks", "app"],
)
def test_extra_attempts_are_limited(page: Page, trouble: str) -> None:
    requests, state = play(
        page,
        f"""
        for (let second = 0; second < 120; second += 1) {{
          {trouble}
          await stage.pass(1_000);
        }}
        const requests = stage.requests;
        await stage.pass(61_000);
        stage.source.say("connection", {{ heartbeatSeconds: 30 }});
        return [requests, stage.state];
        """,
    )
    # Ten extra attempts a minute, and the scheduled ones; at most a token and a stream for each.
    assert requests <= 2 * (3 * 10 + 10)
    assert state == "live"


def test_an_app_that_reconnects_at_every_refusal_does_not_hammer(page: Page) -> None:
    requests = play(
        page,
        "await stage.pass(600_000); return stage.requests;",
        prepare="""(stage) => {
          stage.tokenAnswer = () => stage.refusal(401);
          stage.onState = (state) => state === "refused" && stage.feed.reconnect();
        }""",
    )
    assert 10 <= requests <= 130


def test_the_pause_that_a_restarting_service_asks_for_is_kept(page: Page) -> None:
    pauses = play(
        page,
        """
        const pauses = [];
        for (let restart = 0; restart < 3; restart += 1) {
          stage.source.say("connection", { heartbeatSeconds: 30 });
          await stage.pass(11_000);
          stage.source.say("closing", {
            code: "draining", reason: "", reconnect: true, reconnectInMs: 700,
          });
          pauses.push(stage.detail.retryInMs);
          await stage.pass(700);
        }
        return pauses;
        """,
    )
    assert pauses == [700, 700, 700]


def test_data_of_any_kind_does_not_break_the_page(page: Page) -> None:
    kinds = ("connection", "heartbeat", "request_update", "cache_refresh", "closing")
    texts = ("", "hello", "<html>", "null", "7", '"text"', "[1]", "{}")
    for kind, text in itertools.product(kinds, texts):
        raw, state, events = play(
            page,
            f"""
            let raw = 0;
            stage.onRaw = () => {{ raw += 1; }};
            stage.source.say("connection", {{ heartbeatSeconds: 30 }});
            stage.source.sayText("{kind}", {text!r}, "e-1");
            if ("{kind}" === "closing") await stage.pass(2_000);
            stage.source.say("connection", {{ heartbeatSeconds: 30 }});
            stage.source.say("request_update", {{ requestId: "r", version: 1 }}, "e-2");
            return [raw, stage.state, stage.events.map(({{ id }}) => id)];
            """,
        )
        assert (raw, state, events[-1]) == (4, "live", "e-2"), (kind, text)


def test_a_refresh_without_data_kinds_refreshes_everything(page: Page) -> None:
    refreshes = play(
        page,
        """
        stage.source.say("connection", { heartbeatSeconds: 30 });
        for (const data of [{}, { affectedData: "orders" }, null]) {
          stage.source.say("cache_refresh", data);
        }
        return stage.refreshes;
        """,
    )
    assert refreshes == [["all"]] * 3


def test_reasons_are_sentences_for_people(page: Page) -> None:
    reasons = play(
        page,
        """
        const reasons = [];
        stage.onState = () => stage.detail.reason && reasons.push(stage.detail.reason);
        stage.source.say("connection", { heartbeatSeconds: 30 });
        dispatchEvent(new Event("offline"));
        dispatchEvent(new Event("online"));
        await stage.pass(16_000);                        // silence
        await stage.pass(stage.detail.retryInMs);
        stage.source.lose();
        stage.tokenAnswer = () => { throw new TypeError("Failed to fetch"); };
        await stage.pass(600_000);
        for (const code of ["token_expired", "draining", "server_full", "session_closed"]) {
          stage.tokenAnswer = null;
          stage.feed.reconnect();
          await stage.settle();
          const reason = "terse; for logs";
          stage.source.say("closing", { code, reason, reconnect: code !== "session_closed" });
        }
        return reasons;
        """,
    )
    assert len(set(reasons)) >= 7
    for reason in reasons:
        assert reason[0].isupper(), reason
        assert reason[-1] == ".", reason
        assert "fetch" not in reason


def test_the_clock_includes_sleep_and_never_goes_back(page: Page) -> None:
    readings = page.evaluate(
        """
        async () => {
          const { steadyClock } = await import("/sse/static/environment.js");
          let [monotonic, wall] = [1_000, 1e12];
          const clock = steadyClock(() => monotonic, () => wall);
          const pass = (awake, set) => ((monotonic += awake), (wall += set), clock());
          return [
            pass(10, 10),
            pass(0, 5_000),          // asleep
            pass(10, -86_400_000),   // set back
            pass(10, 10),
          ];
        }
        """
    )
    assert readings == [10, 5_010, 5_020, 5_030]
