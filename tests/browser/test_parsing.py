"""The module's parsing of event-stream bytes that the specification allows."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route

from tests.support.parsing_cases import CASES

pytestmark = pytest.mark.browser

# Follows one stream until it ends; returns each event as the module delivers it.
FOLLOW = """
async (url) => {
  const { connect } = await import("/sse/static/notifications.js");
  const events = [];
  let feed;
  await new Promise((resolve) => {
    feed = connect({
      url,
      share: false,
      types: ["message", "overdue", " x"],
      getToken: () => "a token",
      onRaw: (type, data, id) => events.push([type, data, id]),
      onState: (state, { code }) => code === "connection_lost" && resolve(),
      env: { fetch: async () => Response.json({ token: "a token", expiresIn: 600 }) },
    });
  });
  feed.close();
  return events;
}
"""


def parsed(data: str) -> Any:
    """Return the data as the module delivers it: parsed as JSON, or as text."""
    try:
        return json.loads(data)
    except ValueError:
        return data


def test_bytes_are_parsed_into_events(page: Page) -> None:
    answers = {f"/sse/waiter/case-{n}": b"".join(case.chunks) for n, case in enumerate(CASES)}

    def answer(route: Route) -> None:
        body = answers[urlsplit(route.request.url).path]
        route.fulfill(content_type="text/event-stream", body=body)

    page.route("**/sse/waiter/case-*", answer)
    for number, case in enumerate(CASES):
        heard = page.evaluate(FOLLOW, f"/sse/waiter/case-{number}")

        assert heard == [[kind, parsed(data), event_id] for kind, data, event_id in case.events], (
            case.name
        )
