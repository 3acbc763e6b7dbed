"""Simulated tabs of one browser: messages while a tab joins the others."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.rehearsal import play

pytestmark = pytest.mark.browser

_PRELUDE = """
    const SHARED = { share: true, lastEventId: "e-8" };
    const open = (tab) => tab.source.say("connection", { heartbeatSeconds: 30 });
    const update = (tab, number) =>
      tab.source.say("request_update", { requestId: "req-1", version: number }, `e-${number}`);
    const ids = (tab) => tab.events.map(({ id }) => id);
    await stage.until(() => stage.source);
    open(stage);
"""


def lead(page: Page, script: str, prepare: str = "") -> Any:
    """Run ``script`` with ``stage``, a leading tab that is live from ``e-8`` on."""
    options = "{ share: true, lastEventId: 'e-8', env: stage.env }"
    return play(page, _PRELUDE + script, f"(stage) => {{ {prepare}; return {options}; }}")


def test_events_that_arrive_before_the_leaders_position_are_not_lost(page: Page) -> None:
    told, refreshes, position = lead(
        page,
        """
        update(stage, 9);
        update(stage, 10);
        const follower = await rehearse((tab) => {
          // It has joined, and its question is not yet answered.
          tab.onState = (state) =>
            state === "connecting" && queueMicrotask(() => update(stage, 11));
          return SHARED;
        });
        await stage.until(() => follower.state === "live");
        update(stage, 12);
        await stage.until(() => follower.events.length);
        return [ids(follower), follower.refreshes, follower.feed.lastEventId];
        """,
    )
    assert refreshes == [["all"]], "9 and 10 never arrived, so it must load everything"
    assert (told, position) == (["e-12"], "e-12")


def test_events_that_arrive_before_a_replaced_tab_knows_its_position_are_not_lost(
    page: Page,
) -> None:
    told, refreshes, position = lead(
        page,
        """
        const heir = await rehearse(() => SHARED);
        await stage.until(() => heir.state === "live");
        stage.isDeaf = true;
        await heir.pass(20_000);                // it asks
        await heir.pass(5_000);                 // and takes the lead
        await stage.until(() => heir.source && stage.source.readyState === stage.source.CLOSED);
        open(heir);
        update(heir, 9);
        update(heir, 10);
        const isThere = () => stage.heard.some(({ message }) => message?.id === "e-10");
        await stage.until(isThere);             // sent, but not received
        stage.isDeaf = false;
        update(heir, 11);                       // before its position is known
        await stage.until(() => stage.heard.some(({ message }) => message?.id === "e-11"));
        document.dispatchEvent(new Event("visibilitychange"));
        await stage.until(() => stage.refreshes.length);
        update(heir, 12);
        await stage.until(() => stage.events.length);
        return [ids(stage), stage.refreshes, stage.feed.lastEventId];
        """,
        prepare="""
          stage.heard = [];
          stage.env = {
            BroadcastChannel: class extends BroadcastChannel {
              set onmessage(take) {
                super.onmessage = (event) => {
                  stage.heard.push(event.data);
                  if (!stage.isDeaf) take(event);
                };
              }
            },
          };
        """,
    )
    assert refreshes == [["all"]]
    assert (told, position) == (["e-12"], "e-12")


@pytest.mark.parametrize(
    "missing",
    [
        "BroadcastChannel: undefined",
        "BroadcastChannel: class { constructor() { forbid(); } }",
        "locks: undefined",
        "locks: { request: async () => forbid() }",
    ],
    ids=["no channels", "forbidden channels", "no locks", "forbidden locks"],
)
def test_tabs_that_cannot_communicate_each_have_a_stream(page: Page, missing: str) -> None:
    forbid = "const forbid = () => { throw new DOMException('', 'SecurityError'); }"
    state = lead(page, "return stage.state", prepare=f"{forbid}; stage.env = {{ {missing} }}")
    assert state == "live"


def test_an_apps_own_event_types_arrive_even_if_another_tab_does_not_listen_for_them(
    page: Page,
) -> None:
    told = lead(
        page,
        """
        const tills = [await rehearse(() => ({ ...SHARED, types: ["till", "bell"] })),
          await rehearse(() => ({ ...SHARED, types: ["bell", "till"] }))];
        await stage.until(() => tills[0].source);
        open(tills[0]);
        tills[0].source.say("till", {}, "e-9");
        await stage.until(() => tills[1].events.length);
        return [stage, ...tills].map(({ sources, events }) => [sources.length, events.length]);
        """,
    )
    assert told == [[1, 0], [1, 1], [0, 1]]
