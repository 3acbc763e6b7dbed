"""How the demo page looks: to people with good eyes and bad ones, on phones and desks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from tests.browser.demo import DESKTOP, ORDER, PHONE, Demo, card, press
from tests.support.programs import REPOSITORY
from tests.support.service_server import ServiceServer, copy_sqlite
from waiter_service import Database, WaiterService

pytestmark = pytest.mark.browser


def show_a_busy_evening(demo: Demo, server: ServiceServer) -> None:
    """Make the page show about everything it can."""

    def some_time_ago(seconds: int) -> WaiterService:
        then = datetime.now(UTC) - timedelta(seconds=seconds)
        return WaiterService(Database(server.database_url), clock=lambda: then)

    for seconds, session_id, kind in ((372, "table-9", "bill"), (140, "table-5", "waiter")):
        earlier = some_time_ago(seconds)
        earlier.create_request(session_id, kind)
        earlier.database.dispose()
    expect(card(demo.ben, "The bill")).to_be_visible()
    expect(card(demo.anna, "Waiter")).to_be_visible()
    press(demo.anna, "Acknowledge: Napkins")
    press(demo.anna, "Complete: Napkins")
    press(demo.guest, "Pause live updates")
    press(demo.anna, f"Acknowledge: {ORDER}")
    press(demo.anna, f"Start cooking: {ORDER}")
    order = card(demo.guest, ORDER)
    press(order, "Cancel")
    expect(order.get_by_role("alert")).to_be_visible()
    press(demo.guest, "Resume live updates")
    press(demo.guest, "Water")
    expect(card(demo.anna, "Water")).to_be_visible()
    expect(card(demo.guest, "Napkins")).to_contain_text("Here you are.")
    expect(demo.page.locator(".toast").filter(visible=True)).to_have_count(0)
    demo.guest.locator(".scroll").evaluate("(each) => each.scrollTo(0, 0)")
    demo.page.mouse.move(0, 0)


@pytest.fixture(scope="module")
def busy(
    chromium: Browser, seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    """The page on a busy evening, for all tests that only look at it."""
    directory = tmp_path_factory.mktemp("server")
    server = ServiceServer(directory, copy_sqlite(seeded_sqlite, directory), DEMO=1)
    server.start()
    context = chromium.new_context(viewport=DESKTOP, reduced_motion="reduce")
    demo = Demo(context, server)
    show_a_busy_evening(demo, server)
    yield demo
    context.close()
    server.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_meets_the_accessibility_guidelines(
    busy: Demo,
    npm_package: Callable[[str], Path],
    scheme: Literal["light", "dark"],
    viewport: ViewportSize,
) -> None:
    busy.page.emulate_media(color_scheme=scheme)
    busy.page.set_viewport_size(viewport)
    busy.page.evaluate((npm_package("axe-core") / "axe.min.js").read_text())
    violations = busy.page.evaluate("axe.run().then(({ violations }) => violations)")
    found = [
        f"{each['id']}: {each['help']}: {node['html'][:200]} {node['failureSummary']}"
        for each in violations
        for node in each["nodes"]
    ]
    assert not found, "\n".join(found)


def test_nothing_to_tap_is_smaller_than_a_thumb(busy: Demo) -> None:
    busy.page.set_viewport_size(PHONE)
    small = busy.page.evaluate(
        """() => [...document.querySelectorAll("button, a, summary, label")]
          .filter((each) => each.checkVisibility())
          .map((each) => [each.innerText, each.getBoundingClientRect()])
          .filter(([, { width, height }]) => Math.min(width, height) < 44)
          .map(([text, { width, height }]) => `${text}: ${width} x ${height}`)"""
    )
    assert small == []


# A screen cuts off what sticks out of it, so that the page's own width does not tell.
STICKING_OUT = """() => {
  const say = (each, why) => `${each.className || each.localName} "${each.textContent}" ${why}`;
  return [...document.querySelectorAll(".screen, .log")].flatMap((screen) => {
    const edges = screen.getBoundingClientRect();
    return [...screen.querySelectorAll(":not(svg *)")]
      .filter((each) => each.checkVisibility() && !each.closest(".for-ears"))
      .flatMap((each) => {
        const { left, right } = each.getBoundingClientRect();
        const { display, overflowX } = getComputedStyle(each);
        const mayOverflow = display === "inline" || overflowX !== "visible";
        if (left < edges.left || right > edges.right) return [say(each, "leaves its screen")];
        if (!mayOverflow && each.scrollWidth > each.clientWidth) return [say(each, "is too wide")];
        return [];
      });
  });
}"""


@pytest.mark.parametrize("width", [320, 360, 390, 740, 1024, 1280, 1366, 1440, 1920])
def test_nothing_sticks_out_even_in_a_wide_font(busy: Demo, width: int) -> None:
    busy.page.set_viewport_size({"width": width, "height": 844})
    wide = busy.page.add_style_tag(
        content=":root { font-family: 'DejaVu Sans', Verdana, sans-serif !important }"
    )
    found = busy.page.evaluate(STICKING_OUT)
    page_width = busy.page.evaluate("document.documentElement.scrollWidth")
    wide.evaluate("(each) => each.remove()")
    assert found == []
    assert page_width == width, "it scrolls sideways"


def test_on_a_phone_what_is_said_is_in_sight(busy: Demo) -> None:
    busy.page.set_viewport_size(PHONE)
    busy.page.evaluate("scrollTo(0, 0)")
    press(busy.guest, "Waiter")
    expect(busy.guest.locator(".toast")).to_be_in_viewport(ratio=1)
    expect(busy.guest.locator(".toast")).not_to_be_empty()
    expect(busy.guest.locator(".link")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_of_it_for_the_readme(
    busy: Demo, scheme: Literal["light", "dark"], tmp_path: Path
) -> None:
    """With ``KEEP_SCREENSHOTS=1`` they replace those in ``docs/images``."""
    busy.page.emulate_media(color_scheme=scheme)
    busy.page.set_viewport_size(DESKTOP)
    is_kept = os.environ.get("KEEP_SCREENSHOTS") == "1"
    path = (REPOSITORY / "docs" / "images" if is_kept else tmp_path) / f"demo-{scheme}.png"
    busy.page.screenshot(path=path, animations="disabled", caret="hide")
    assert 10_000 < path.stat().st_size < 300_000
