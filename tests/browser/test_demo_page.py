"""The demo page, driven as its users would: by thumb, by keyboard, by ear."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, ViewportSize, expect

from tests.browser.follower import change
from tests.support.programs import REPOSITORY
from tests.support.service_server import ServiceServer, copy_sqlite
from waiter_service import Database, WaiterService

pytestmark = pytest.mark.browser

DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture
def server(start_server: Callable[..., ServiceServer]) -> ServiceServer:
    """The service with the demo page, and a restaurant as it is on the first day."""
    return start_server(DEMO=1, SSE_HEARTBEAT_SECONDS=0.5)


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """A reconnect may take some seconds."""
    expect.set_options(timeout=20_000)
    yield
    expect.set_options(timeout=5_000)


class Demo:
    """The page, once all of its three screens are live."""

    def __init__(self, context: BrowserContext, server: ServiceServer) -> None:
        self.page: Page = context.new_page()
        self.page.goto(f"{server.url}/demo")
        self.guest, self.anna, self.ben = (
            self.page.get_by_role("region", name=name, exact=True)
            for name in ("Table 7", "Anna", "Ben")
        )
        self.screens = (self.guest, self.anna, self.ben)
        self.expect_links("Live")

    def expect_links(self, state: str) -> None:
        """Wait until all three screens show this state of their connection."""
        for screen in self.screens:
            expect(screen.locator(".link")).to_have_text(state)


@pytest.fixture
def demo(server: ServiceServer, new_context: Callable[..., BrowserContext]) -> Demo:
    return Demo(new_context(viewport=DESKTOP), server)


def card(screen: Locator, title: str) -> Locator:
    """Return the ticket of this title."""
    return screen.locator(".ticket").filter(has=screen.page.get_by_role("heading", name=title))


def press(screen: Locator, label: str) -> None:
    """Press the button whose label begins so."""
    screen.get_by_role("button", name=re.compile(f"^{re.escape(label)}")).click()


def test_a_call_for_water_from_the_tap_to_the_thanks(demo: Demo) -> None:
    # The one of the seed comes first: a table waits for one water at a time.
    press(demo.anna, "Acknowledge: Water")
    expect(card(demo.guest, "Water")).to_contain_text("Anna has seen it.")
    press(demo.anna, "Complete: Water")
    press(demo.guest, "Thank you: Water")
    expect(card(demo.anna, "Water")).to_have_count(0)

    badge = demo.anna.locator(".badge")
    expect(badge).to_be_hidden()
    press(demo.guest, "Water")
    expect(badge).to_have_text("1 not seen yet")
    expect(demo.page).to_have_title(re.compile(r"^\(1\) "))
    water = card(demo.anna, "Water")
    age = water.locator(".age")
    expect(age).to_have_text(re.compile(r"^waiting 0:0[0-9]$"))
    first_age = age.inner_text()
    expect(age).not_to_have_text(first_age)

    press(demo.anna, "Acknowledge: Water")
    expect(badge).to_be_hidden()
    press(demo.anna, "Undo: Water")
    expect(water).to_contain_text("New")
    press(demo.anna, "Acknowledge: Water")
    press(demo.anna, "Complete: Water")
    press(demo.anna, "Undo: Water")
    expect(card(demo.guest, "Water").first).to_contain_text("Anna is on it.")


def test_an_order_from_the_menu_to_the_table(demo: Demo) -> None:
    demo.guest.get_by_text("Order from the menu").click()
    press(demo.guest, "One more: Green salad")
    press(demo.guest, "One more: Green salad")
    press(demo.guest, "Order 2 items")
    order = card(demo.anna, "2 items")
    expect(order).to_contain_text("2 × Green salad")
    for label in ("Acknowledge", "Start cooking", "Ready", "Delivered"):
        press(order, label)
    expect(card(demo.guest, "2 items")).to_contain_text("Enjoy!")
    press(demo.anna, "Undo: 2 items")
    expect(card(demo.guest, "2 items")).to_contain_text("on its way")
    press(demo.anna, "Delivered: 2 items")
    press(demo.anna, "Paid: 2 items")
    expect(card(demo.guest, "2 items")).to_contain_text("Paid.")


def test_a_double_tap_moves_a_ticket_once(demo: Demo) -> None:
    demo.anna.get_by_role("button", name="Acknowledge: Water").dblclick()
    expect(card(demo.anna, "Water")).to_contain_text("Acknowledged")
    expect(demo.anna.get_by_role("button", name="Complete: Water")).to_be_enabled()
    expect(card(demo.guest, "Water")).to_contain_text("has seen it")


def test_a_refused_move_says_why(demo: Demo) -> None:
    press(demo.anna, "Acknowledge: 3 items")
    press(demo.anna, "Start cooking: 3 items")
    order = card(demo.guest, "3 items")
    expect(order).to_contain_text("Being prepared.")
    press(order, "Cancel")
    expect(order.get_by_role("alert")).to_have_text(
        "It is “In progress” by now, and cannot be changed from here."
    )


def test_new_calls_chime_after_a_tap_on_sound(
    server: ServiceServer, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context(viewport=DESKTOP)
    context.add_init_script(
        """
        window.notes = 0;
        const { createOscillator } = AudioContext.prototype;
        AudioContext.prototype.createOscillator = function () {
          window.notes += 1;
          return createOscillator.call(this);
        };
        """
    )
    demo = Demo(context, server)
    press(demo.guest, "The bill")
    expect(demo.anna.locator(".badge")).to_be_visible()
    assert demo.page.evaluate("notes") == 0
    press(demo.anna, "Sound")
    before = demo.page.evaluate("notes")
    assert before > 0, "it shows how it sounds"
    press(demo.guest, "Waiter")
    demo.page.wait_for_function(f"notes > {before}")


def test_all_tables_are_handed_over_to_a_phone_that_is_asleep_and_wakes(demo: Demo) -> None:
    press(demo.ben, "Put phone to sleep")
    expect(demo.ben.locator(".link")).to_have_text("Asleep")
    press(demo.anna, "Hand all tables to Ben")
    expect(demo.anna).to_contain_text("No tables. Enjoy the break.")
    expect(demo.guest).to_contain_text("Ben is looking after you")
    expect(demo.ben.locator(".ticket")).to_have_count(0)

    press(demo.ben, "Wake the phone")
    expect(demo.ben).to_contain_text("Caught up on 2 updates")
    expect(demo.ben).to_contain_text("Tables 5, 7, 9")
    expect(demo.ben.locator(".badge")).to_have_text("2 not seen yet")
    press(demo.ben, "Acknowledge: Water")
    expect(card(demo.guest, "Water")).to_contain_text("Ben has seen it.")


def test_a_lost_server_is_shown_and_everything_is_right_when_it_is_back(
    demo: Demo, server: ServiceServer
) -> None:
    server.kill()
    demo.expect_links("Offline")
    press(demo.anna, "Acknowledge: Water")
    expect(card(demo.anna, "Water").get_by_role("alert")).to_contain_text("No connection")
    server.service.create_request("table-5", "bill")
    server.start()
    demo.expect_links("Live")
    expect(card(demo.anna, "The bill")).to_be_visible()


def test_the_log_shows_each_event_as_it_came(demo: Demo, server: ServiceServer) -> None:
    change(server)
    log = demo.page.get_by_role("region", name="Events")
    line = log.locator("[data-who=guest][data-type=order_update]").first
    line.locator("summary").click()
    text = line.locator("pre").inner_text()
    data, _, event_id = text.rpartition("\nid: ")
    assert json.loads(data)["orderId"] == "ord-1"
    assert re.fullmatch(r"\w+-\d+", event_id)
    beats = log.locator("[data-type=heartbeat]").first
    expect(beats).to_be_hidden()
    log.get_by_label("Heartbeats").check()
    expect(beats).to_be_visible()


def test_it_can_be_worked_by_keyboard_without_losing_the_place(demo: Demo) -> None:
    keyboard = demo.page.keyboard
    demo.anna.get_by_role("button", name="Acknowledge: Water").focus()
    keyboard.press("Enter")
    complete = demo.anna.get_by_role("button", name="Complete: Water")
    expect(complete).to_be_focused()
    expect(complete).to_be_enabled()
    keyboard.press("Enter")
    # It moved to the finished ones, and the focus with it.
    expect(demo.anna.get_by_role("button", name="Done: Water")).to_be_focused()


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
    press(demo.anna, "Acknowledge: Water")
    press(demo.anna, "Complete: Water")
    press(demo.anna, "Acknowledge: 3 items")
    press(demo.anna, "Start cooking: 3 items")
    press(demo.guest, "The bill")
    expect(card(demo.anna, "The bill")).to_be_visible()
    expect(card(demo.guest, "3 items")).to_contain_text("Being prepared.")
    press(card(demo.guest, "3 items"), "Cancel")
    expect(card(demo.guest, "3 items").get_by_role("alert")).to_be_visible()
    expect(demo.guest.get_by_text("Your request has been received")).to_be_hidden()
    demo.guest.locator(".scroll").evaluate("(each) => each.scrollTo(0, 0)")


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
    width = busy.page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], "it scrolls sideways"


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
