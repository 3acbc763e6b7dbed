"""An app may close or reconnect its feed from within any callback."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.rehearsal import play

pytestmark = pytest.mark.browser

# A callback in which the app calls `act()`, and the script that triggers it.
MOMENTS = {
    "at the start": ("stage.onState = act;", ""),
    "when live": (
        "stage.onState = (state) => state === 'live' && act();",
        "stage.source.say('connection', { heartbeatSeconds: 30 });",
    ),
    "at an event": (
        "stage.onEvent = act;",
        "stage.source.say('request_update', { requestId: 'req-1', version: 1 }, 'e-1');",
    ),
    "when told to leave": (
        "stage.onRaw = (type) => type === 'closing' && act();",
        "stage.source.say('closing', { code: 'draining', reason: 'a deploy', reconnect: true });",
    ),
    "when lost": (
        "stage.onState = (state) => state === 'connecting' && stage.source && act();",
        "stage.source.lose();",
    ),
    "when refused": (
        "stage.onState = (state) => state === 'refused' && act();",
        "stage.source.say('closing', { code: 'token_revoked', reason: '', reconnect: false });",
    ),
}

share = pytest.mark.parametrize("share", ["false", "true"], ids=["alone", "shared"])
moment = pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)


def act_in(page: Page, moment: tuple[str, str], call: str, share: str, then: str) -> Any:
    """Make ``call`` once from within the callback; return the result of ``then``."""
    callback, cause = moment
    return play(
        page,
        f"""
        if ({bool(cause):d}) await stage.until(() => stage.source);
        {cause}
        await stage.until(() => stage.hasActed);
        {then}
        """,
        prepare=f"""(stage) => {{
          const act = () => {{
            if (stage.hasActed) return;
            stage.hasActed = true;
            {call};
          }};
          {callback}
          return {{ share: {share} }};
        }}""",
    )


@share
@moment
def test_a_feed_that_is_closed_stays_closed(
    page: Page, moment: tuple[str, str], share: str
) -> None:
    told, opened, state = act_in(
        page,
        moment,
        "stage.feed.close(); stage.told = stage.states.length",
        share,
        """
        await stage.until(async () => (await navigator.locks.query()).held.length === 0);
        await stage.pass(600_000);
        const isOpen = ({ readyState, CLOSED }) => readyState !== CLOSED;
        return [stage.states.length - stage.told, stage.sources.filter(isOpen).length,
          stage.feed.state];
        """,
    )
    assert (told, opened, state) == (0, 0, "closed")


@share
@moment
def test_a_feed_that_reconnects_has_one_stream_and_is_live_again(
    page: Page, moment: tuple[str, str], share: str
) -> None:
    opened, state = act_in(
        page,
        moment,
        "stage.sourceBefore = stage.source; stage.feed.reconnect()",
        share,
        """
        await stage.until(() => stage.source && stage.source !== stage.sourceBefore);
        stage.source.say("connection", { heartbeatSeconds: 30 });
        const isOpen = ({ readyState, CLOSED }) => readyState !== CLOSED;
        return [stage.sources.filter(isOpen).length, stage.feed.state];
        """,
    )
    assert (opened, state) == (1, "live")
