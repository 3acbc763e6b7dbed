"""The client's pauses and the events it drops, with a simulated clock and server."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.rehearsal import play

pytestmark = pytest.mark.browser


def test_pauses_double_up_to_a_cap_and_are_spread_by_jitter(page: Page) -> None:
    script = """
      const pauses = [];
      for (let attempt = 0; attempt < 7; attempt += 1) {
        stage.source.lose();
        await stage.settle();
        pauses.push(stage.detail.retryInMs);
        await stage.pass(stage.detail.retryInMs);
      }
      return pauses;
    """
    longest = [2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]
    assert play(page, f"stage.random = 1; {script}") == longest
    assert play(page, f"stage.random = 0.5; {script}") == [each / 2 for each in longest]
    assert play(page, f"stage.random = 0; {script}") == [0] * 7


def test_a_long_lived_stream_is_first_reconnected_by_the_browser(page: Page) -> None:
    states = play(
        page,
        """
        stage.source.say("connection", { heartbeatSeconds: 30 });
        await stage.pass(11_000);
        stage.source.lose();                    // the browser reconnects by itself
        await stage.settle();
        const { source } = stage;
        source.say("connection", { heartbeatSeconds: 30 });
        await stage.settle();
        return [stage.states, stage.sources.length];
        """,
    )
    assert states == [["connecting", "live", "connecting", "live"], 1]


def test_a_silence_of_more_than_two_heartbeats_ends_a_stream(page: Page) -> None:
    before, after = play(
        page,
        """
        stage.source.say("connection", { heartbeatSeconds: 30 });
        await stage.pass(64_900);
        const before = stage.state;
        await stage.pass(200);
        return [before, stage.state];
        """,
    )
    assert (before, after) == ("live", "connecting")


def test_jitter_is_added_to_retry_after(page: Page) -> None:
    pause = play(
        page,
        """
        stage.random = 0.5;
        stage.answer = stage.refusal(503, { "Retry-After": "7" });
        stage.source.reject();
        await stage.pass(2_000);
        return stage.detail;
        """,
    )
    assert pause["code"] == "http_503"
    assert pause["retryInMs"] == 9_000


def test_a_missing_network_is_shown_until_the_server_answers(page: Page) -> None:
    states, offline = play(
        page,
        """
        stage.source.say("connection", { heartbeatSeconds: 30 });
        stage.tokenAnswer = () => { throw new TypeError("Failed to fetch"); };
        window.dispatchEvent(new Event("offline"));
        await stage.pass(600_000);              // it tries anyway: some systems report this wrongly
        const offline = stage.states.splice(2);
        stage.tokenAnswer = null;
        await stage.pass(30_000);
        stage.source.say("connection", { heartbeatSeconds: 30 });
        return [stage.states, [...new Set(offline)]];
        """,
    )
    assert states == ["connecting", "live", "live"]
    assert offline == ["offline"]


@pytest.mark.parametrize(
    ("rejection", "reason"),
    [
        ("", "The service cannot be reached at the moment."),
        ("new Error('Please log in')", "Please log in"),
    ],
)
def test_an_app_that_has_no_token_is_asked_again(page: Page, rejection: str, reason: str) -> None:
    told = play(
        page,
        """
        const [{ code, reason }, before] = [stage.detail, stage.sources.length];
        stage.hasLogin = true;
        await stage.pass(2_000);
        return [code, reason, before, stage.sources.length];
        """,
        prepare=f"""(stage) => ({{
          getToken: () => stage.hasLogin ? "full" : Promise.reject({rejection}),
        }})""",
    )
    assert told == ["unreachable", reason, 0, 1]


def test_duplicates_and_stale_versions_are_dropped_but_undo_is_not(page: Page) -> None:
    told = play(
        page,
        """
        const say = (id, version) =>
          stage.source.say("request_update", { requestId: "req-1", version }, id);
        stage.source.say("connection", { heartbeatSeconds: 30 }, "e-4");
        say("e-5", 1); say("e-6", 2); say("e-6", 2); say("e-5", 1);   // a replay overlaps
        say("e-7", 2); say("e-8", 1); say("e-9", 3);                  // stale versions
        say("f-1", 4);                                                // another epoch
        stage.source.say("request_update", { requestId: "req-2", version: null }, "f-2");
        stage.source.say("order_update", { orderId: "req-1", version: 1 }, "f-3");
        return stage.events.map(({ id }) => id);
        """,
    )
    assert told == ["e-5", "e-6", "e-9", "f-1", "f-2", "f-3"]


def test_a_resync_is_delivered_even_if_its_id_is_old(page: Page) -> None:
    refreshes, position = play(
        page,
        """
        stage.source.say("connection", { heartbeatSeconds: 30 }, "e-4");
        const refresh = { affectedData: ["all"], affectedIds: [] };
        stage.source.say("cache_refresh", refresh, "e-4");
        return [stage.refreshes, stage.feed.lastEventId];
        """,
    )
    assert refreshes == [["all"]]
    assert position == "e-4"


def test_it_resumes_from_the_position_of_a_stream_without_events(page: Page) -> None:
    url = play(
        page,
        """
        stage.source.say("connection", { heartbeatSeconds: 30 }, "e-4");
        stage.source.lose();
        await stage.pass(2_000);
        return stage.source.url;
        """,
    )
    assert url.endswith("/sse/session/table-7?token=stream-1&lastEventId=e-4")


def test_a_callback_that_throws_does_not_stop_the_client(page: Page) -> None:
    told = play(
        page,
        """
        const reported = [];
        addEventListener("error", (event) => {
          reported.push(event.message);
          event.preventDefault();
        });
        stage.onEvent = () => { throw new Error("of the app's own"); };
        stage.source.say("connection", { heartbeatSeconds: 30 });
        stage.source.say("request_update", { requestId: "req-1", version: 1 }, "e-1");
        stage.source.say("request_update", { requestId: "req-1", version: 2 }, "e-2");
        return [stage.events.length, reported.length, stage.state];
        """,
    )
    assert told == [2, 2, "live"]


def test_a_closed_feed_holds_no_stream_and_calls_no_callback(page: Page) -> None:
    told = play(
        page,
        """
        stage.source.say("connection", { heartbeatSeconds: 30 });
        const before = stage.states.length;
        stage.feed.close();
        document.dispatchEvent(new Event("visibilitychange"));
        window.dispatchEvent(new Event("online"));
        await stage.pass(600_000);
        return [stage.states.length - before, stage.sources.length, stage.source.readyState];
        """,
    )
    assert told == [0, 1, 2]
