"""No number from a server, a proxy or an app makes the client hammer or give up."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.rehearsal import play

pytestmark = pytest.mark.browser

ODD = ["undefined", "null", "NaN", "'soon'", "''", "{}", "-1", "0", "1e-9", "1e15", "Infinity"]


def test_no_token_lifetime_causes_repeated_fetching(page: Page) -> None:
    for expires_in in [*ODD, "true", "[]"]:
        requests = requests_with_tokens_for(page, expires_in)
        # The shortest accepted lifetime is two seconds: one token and one stream each time.
        assert 2 <= requests <= 2 * 10 * 60 / 1.6 + 2, expires_in


def requests_with_tokens_for(page: Page, expires_in: str) -> int:
    """Return the number of requests in ten minutes with tokens of this lifetime."""
    requests: int = play(
        page,
        """
        for (let minute = 0; minute < 10; minute += 1) {
          stage.source.say("connection", { heartbeatSeconds: 3600 });
          await stage.pass(60_000);
        }
        return stage.requests;
        """,
        prepare=f"""(stage) => {{
          stage.tokenAnswer = () => ({{
            ok: true, json: async () => ({{ token: "stream", expiresIn: {expires_in} }}),
          }});
        }}""",
    )
    return requests


def test_answer_without_a_token_is_an_outage(page: Page) -> None:
    for answer in ("undefined", "null", "'text'", "{}", "{ token: 7 }"):
        requests, states = play(
            page,
            "await stage.pass(600_000); return [stage.requests, [...new Set(stage.states)]];",
            prepare=f"""(stage) => {{
              stage.tokenAnswer = () => ({{ ok: true, json: async () => ({answer}) }});
            }}""",
        )
        assert requests <= 25, answer
        assert states == ["connecting", "offline"], answer


def test_retry_after_is_limited_even_if_the_devices_clock_is_wrong(
    page: Page,
) -> None:
    for said, wait_ms in {
        "7": 7_000,
        "0": 1_000,
        "-5": 1_000,
        "99999999999999": 300_000,
        "soon": 5_000,
        "": 5_000,
        "Sun, 01 Nov 2026 10:00:20 GMT": 20_000,
        "Sun, 01 Nov 2099 10:00:20 GMT": 300_000,
    }.items():
        pause = play(
            page,
            f"""
            stage.random = 0;
            stage.answer = stage.refusal(503, {{
              "Retry-After": "{said}", Date: "Sun, 01 Nov 2026 10:00:00 GMT",
            }});
            stage.source.reject();
            await stage.pass(0);
            return stage.detail.retryInMs;
            """,
        )
        assert pause == wait_ms, said


def test_silence_is_noticed_with_any_announced_heartbeat(page: Page) -> None:
    for beat in ODD:
        early, late = play(
            page,
            f"""
            stage.source.say("connection", {{ heartbeatSeconds: {beat} }});
            await stage.pass(6_900);
            const early = stage.state;
            for (let minute = 0; minute < 121 && stage.state === "live"; minute += 1) {{
              await stage.pass(60_000);
            }}
            return [early, stage.states[2]];
            """,
        )
        assert (early, late) == ("live", "connecting"), beat


def test_the_announced_pause_is_limited(page: Page) -> None:
    for said, wait_ms in {
        "1234": 1_234,
        "0": 10,
        "-1": 10,
        "1e15": 300_000,
        "'soon'": 5_000,
        "{}": 5_000,
        "null": 2_000,
        "undefined": 2_000,
    }.items():
        pause = play(
            page,
            f"""
            stage.source.say("closing", {{
              code: "draining", reason: "", reconnect: true, reconnectInMs: {said},
            }});
            return stage.detail.retryInMs;
            """,
        )
        assert pause == wait_ms, said


def test_a_service_that_keeps_refusing_is_asked_less_and_less_often(page: Page) -> None:
    pauses, requests = play(
        page,
        """
        const pauses = [];
        for (let attempt = 0; attempt < 6; attempt += 1) {
          stage.source.say("closing", {
            code: "server_full", reason: "full", reconnect: true, reconnectInMs: 5_000,
          });
          pauses.push(stage.detail.retryInMs);
          await stage.pass(stage.detail.retryInMs);
        }
        return [pauses, stage.requests];
        """,
    )
    # The first pause is the requested one; later ones are longer.
    assert pauses == [5_000, 9_000, 13_000, 21_000, 35_000, 35_000]
    assert requests == 1 + 7, "one token, and one request an attempt"
