"""The look of the demo page on phones and desktops, and its accessibility."""

from __future__ import annotations

import json
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
from waiter_service.revocations import Revocations

pytestmark = [pytest.mark.browser, pytest.mark.long]


def fill_the_page(demo: Demo, server: ServiceServer) -> None:
    """Make the page show almost everything it can."""

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
    """The page with many tickets, shared by tests that only read it."""
    directory = tmp_path_factory.mktemp("server")
    server = ServiceServer(directory, copy_sqlite(seeded_sqlite, directory), DEMO=1)
    server.start()
    context = chromium.new_context(viewport=DESKTOP, reduced_motion="reduce")
    demo = Demo(context, server)
    fill_the_page(demo, server)
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
    for tab in (
        ("Table 7", "Anna", "Ben", "Floor", "Kitchen", "Events") if viewport is PHONE else ("",)
    ):
        if tab:
            show(busy, tab)
        assert violations(busy, npm_package) == []


def show(demo: Demo, tab: str) -> None:
    """Show one of the screens on a phone."""
    demo.page.get_by_role("navigation", name="Screens").get_by_role("link", name=tab).click()
    expect(demo.page.get_by_role("region", name=tab, exact=True)).to_be_visible()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_meets_the_accessibility_guidelines_in_every_state(
    demo: Demo,
    demo_server: ServiceServer,
    npm_package: Callable[[str], Path],
    viewport: ViewportSize,
) -> None:
    """Each state adds something to the page."""
    is_phone = viewport is PHONE
    demo.page.set_viewport_size(viewport)
    # Some states last only for a moment.
    demo.page.emulate_media(reduced_motion="reduce")

    def check(state: str, tab: str) -> None:
        found = violations(demo, npm_package)
        assert found == [], f"{state}, on the screen of {tab}"

    def at(tab: str) -> None:
        if is_phone:
            show(demo, tab)

    demo.order("Lemonade")
    check("a menu with a choice", "Table 7")
    demo.page.route("**/requests", lambda route: route.abort())
    press(demo.guest, "Water")
    expect(demo.guest.get_by_text("Water: not sent.")).to_be_visible()
    check("a call that was not sent", "Table 7")
    press(demo.guest, "Pause live updates")
    check("paused", "Table 7")
    press(demo.guest, "Resume live updates")
    at("Anna")
    demo.anna.get_by_role("switch").click()
    press(demo.anna, "Hand all tables to Ben")
    expect(demo.anna.get_by_role("button", name="Undo", exact=True)).to_be_visible()
    check("a transfer that can be undone", "Anna")
    expect(demo.anna).to_contain_text("No tables. Enjoy the break.")
    check("no tables", "Anna")
    at("Ben")
    expect(demo.ben.locator(".unseen")).to_have_count(2)
    check("new calls", "Ben")
    press(demo.ben, "Put phone to sleep")
    check("asleep", "Ben")
    at("Events")
    log = demo.page.get_by_role("region", name="Events")
    log.locator("summary").filter(visible=True).first.click()
    check("an event that is open", "Events")
    demo_server.kill()
    expect(demo.page.locator("#anna .link")).to_have_text("Offline")
    for tab in ("Events", "Anna"):
        at(tab)
        check("offline", tab)
    demo_server.start()
    expect(demo.page.locator("#anna .link")).to_have_text("Live")
    demo_server.service.close_session("table-7", force=True, reason="gone")
    at("Table 7")
    expect(demo.page.locator("#guest .link")).to_have_text("Closed")
    check("closed", "Table 7")
    Revocations(demo_server.service.database).revoke_waiter("anna")
    at("Anna")
    expect(demo.page.locator("#anna .link")).to_have_text("Signed out")
    check("signed out", "Anna")
    demo.page.route("**/api/**", lambda route: route.abort())
    demo.page.reload()
    expect(demo.page.locator("#ben .link")).to_have_text("Offline")
    check("offline from the start", "Anna")


def violations(demo: Demo, npm_package: Callable[[str], Path]) -> list[str]:
    """Return the violations that axe finds on the page."""
    demo.page.evaluate((npm_package("axe-core") / "axe.min.js").read_text())
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]} {node['failureSummary']}"
        for each in demo.page.evaluate("axe.run().then(({ violations }) => violations)")
        for node in each["nodes"]
    ]


def test_every_button_is_large_enough_for_a_thumb(busy: Demo) -> None:
    busy.page.set_viewport_size(PHONE)
    show(busy, "Anna")
    small = busy.page.evaluate(
        """() => [...document.querySelectorAll("button, a, summary, label")]
          .filter((each) => each.checkVisibility())
          .map((each) => [each.innerText, each.getBoundingClientRect()])
          .filter(([, { width, height }]) => Math.min(width, height) < 44)
          .map(([text, { width, height }]) => `${text}: ${width} x ${height}`)"""
    )
    assert small == []


# A screen cuts off what does not fit, so the page's own width does not show it.
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
        const isCut = overflowX !== "visible" && each.scrollWidth > each.clientWidth;
        if (isCut && !each.matches("pre")) return [say(each, "is cut off")];
        return [];
      });
  });
}"""


@pytest.mark.parametrize("width", [320, 360, 390, 740, 1024, 1280, 1366, 1440, 1920])
def test_everything_fits_its_screen_even_in_a_wide_font(busy: Demo, width: int) -> None:
    busy.page.set_viewport_size({"width": width, "height": 844})
    for tab in ("Events", "Anna", "Floor", "Kitchen", "Table 7") if width < 736 else ("",):
        if tab:
            show(busy, tab)
        assert outside_their_screen(busy, "fontFamily", "'DejaVu Sans', Verdana, sans-serif") == []


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_text_of_twice_the_size_is_not_cut_off(busy: Demo, width: int) -> None:
    busy.page.set_viewport_size({"width": width, "height": 844})
    for tab in ("Events", "Anna", "Floor", "Kitchen", "Table 7") if width < 736 else ("",):
        if tab:
            show(busy, tab)
        assert outside_their_screen(busy, "fontSize", "212.5%") == []


def outside_their_screen(demo: Demo, style: str, value: str) -> list[str]:
    """Return the elements that do not fit their screen while the page has this style."""
    # Not a style element: the page's policy forbids it.
    demo.page.evaluate(f"document.documentElement.style.{style} = {json.dumps(value)}")
    found: list[str] = demo.page.evaluate(STICKING_OUT)
    if demo.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("it scrolls sideways")
    demo.page.evaluate(f"document.documentElement.style.{style} = ''")
    return found


def test_a_phone_shows_one_screen_at_a_time(busy: Demo) -> None:
    busy.page.set_viewport_size(PHONE)
    tabs = busy.page.get_by_role("navigation", name="Screens")
    for tab in ("Anna", "Ben", "Floor", "Kitchen", "Events", "Table 7"):
        show(busy, tab)
        expect(busy.page.get_by_role("region")).to_have_count(1)
        link = tabs.get_by_role("link", name=tab)
        expect(link).to_have_attribute("aria-current", "page")
    expect(tabs.get_by_role("link", name="Anna")).to_contain_text("2 not seen yet")
    busy.page.set_viewport_size(DESKTOP)
    expect(busy.page.get_by_role("region")).to_have_count(6)
    expect(tabs).to_be_hidden()


def test_tickets_are_grouped_by_table_and_only_new_ones_have_a_dark_button(busy: Demo) -> None:
    busy.page.set_viewport_size(DESKTOP)
    groups = busy.anna.get_by_role("list", name="Waiting, longest first").locator("> li")
    expect(groups.get_by_role("heading", level=3)).to_have_text(["Table 5", "Table 7"])
    expect(groups.nth(1).get_by_role("heading", level=4)).to_have_text([ORDER, "Water"])
    dark = busy.page.evaluate(
        """() => {
          const colour = (each) => getComputedStyle(each).backgroundColor;
          const dark = colour(document.querySelector("#anna [data-status=New] .primary"));
          return [...document.querySelectorAll("#anna .moves button")]
            .filter((each) => colour(each) === dark).map((each) => each.textContent);
        }"""
    )
    assert dark == ["Acknowledge", "Acknowledge"]


def test_forced_colours_keep_the_parts_distinguishable(busy: Demo) -> None:
    busy.page.set_viewport_size(DESKTOP)
    busy.page.emulate_media(forced_colors="active")
    looks = """(pair) => pair.map((selector) => {
      const style = getComputedStyle(document.querySelector(selector));
      return [style.backgroundColor, style.borderStyle, style.borderWidth].join();
    })"""
    try:
        for pair in (
            ["#guest .steps .reached", "#guest .steps i:not(.reached)"],
            ["#anna .moves .primary", "#anna .moves .quiet"],
            ["#anna .ticket.unseen", "#anna .ticket:not(.unseen)"],
            ["#ben .age:has([data-late=very])", "#anna .age:has([data-late=no])"],
            ["#anna .badge", "#anna .bar"],
        ):
            one, other = busy.page.evaluate(looks, pair)
            assert one != other, pair
    finally:
        busy.page.emulate_media(forced_colors="none")


def test_the_accessible_name_of_the_sound_switch_equals_its_text(busy: Demo) -> None:
    busy.page.set_viewport_size(DESKTOP)
    sound = busy.anna.get_by_role("switch")
    expect(sound).to_have_accessible_name(sound.inner_text())


def test_without_javascript_the_page_asks_for_it(chromium: Browser, busy: Demo) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(busy.page.url)
    expect(page.locator("noscript p")).to_contain_text("This page needs JavaScript.")
    expect(page.locator("noscript p")).to_be_visible()
    expect(page.get_by_role("main")).to_be_hidden()
    context.close()


def test_messages_are_visible_on_a_phone(busy: Demo) -> None:
    busy.page.set_viewport_size(PHONE)
    show(busy, "Table 7")
    busy.page.evaluate("scrollTo(0, 0)")
    press(busy.guest, "Waiter")
    expect(busy.guest.locator(".toast")).to_be_in_viewport(ratio=1)
    expect(busy.guest.locator(".toast")).not_to_be_empty()
    expect(busy.guest.locator(".link")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_draws_the_picture_for_the_readme(
    busy: Demo, scheme: Literal["light", "dark"], tmp_path: Path
) -> None:
    """With ``KEEP_SCREENSHOTS=1`` the pictures replace those in ``docs/images``."""
    busy.page.emulate_media(color_scheme=scheme)
    busy.page.set_viewport_size(DESKTOP)
    is_kept = os.environ.get("KEEP_SCREENSHOTS") == "1"
    path = (REPOSITORY / "docs" / "images" if is_kept else tmp_path) / f"demo-{scheme}.png"
    busy.page.screenshot(path=path, full_page=True, animations="disabled", caret="hide")
    assert 10_000 < path.stat().st_size < 300_000
