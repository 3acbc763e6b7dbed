"""The demo page, operated the way its users do."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Locator, Page, ViewportSize, expect

from tests.support.service_server import ServiceServer

DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

# The seeded order, named by its dishes.
ORDER = "2 × Margherita, Lemonade"

# A reconnect may take some seconds.
expect.set_options(timeout=20_000)


class Demo:
    """The page, with all screens live."""

    def __init__(self, context: BrowserContext, server: ServiceServer, url: str = "") -> None:
        self.page: Page = context.new_page()
        self.page.goto(f"{url or server.url}/demo")
        self.guest, self.anna, self.ben, self.floor, self.kitchen = (
            self.page.get_by_role("region", name=name, exact=True)
            for name in ("Table 7", "Anna", "Ben", "Floor", "Kitchen")
        )
        self.screens = (self.guest, self.anna, self.ben, self.floor, self.kitchen)
        self.expect_links("Live")

    def expect_links(self, state: str) -> None:
        """Wait until all screens show this state of their connection."""
        for screen in self.screens:
            expect(screen.locator(".link")).to_have_text(state)

    def order(self, dish: str) -> Locator:
        """Choose a dish once; return the button that places the order."""
        self.guest.get_by_text("Order from the menu").click()
        press(self.guest, f"One more: {dish}")
        return self.guest.get_by_role("button", name="Order 1 item")


def open_alone(
    context: BrowserContext, server: ServiceServer, path: str, viewport: ViewportSize
) -> Locator:
    """Open a screen's own page; return the screen once it is live."""
    page = context.new_page()
    page.set_viewport_size(viewport)
    page.goto(f"{server.url}/demo/{path}")
    screen = page.get_by_role("region")
    expect(screen.locator(".link")).to_have_text("Live")
    return screen


def tile(floor: Locator, table_number: int) -> Locator:
    """Return a table on the manager's plan."""
    box = floor.page.get_by_role("checkbox", name=f"Table {table_number},")
    return floor.locator(".tile").filter(has=box)


def card(screen: Locator, title: str) -> Locator:
    """Return the ticket with this title."""
    heading = screen.page.get_by_role("heading", name=title, exact=True)
    return screen.locator(".ticket").filter(has=heading)


def press(screen: Locator, label: str) -> None:
    """Press the button whose label begins with ``label``."""
    screen.get_by_role("button", name=re.compile(f"^{re.escape(label)}")).click()
