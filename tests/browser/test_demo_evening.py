"""An evening on devices of their own: a guest, two waiters, a manager and the kitchen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, ViewportSize, expect

from tests.browser.demo import ORDER, PHONE, card, open_alone, press, tile
from tests.support.service_server import ServiceServer

pytestmark = pytest.mark.browser

TABLET: ViewportSize = {"width": 1024, "height": 768}


def test_an_evening_is_followed_on_every_device(
    demo_server: ServiceServer, new_context: Callable[..., BrowserContext]
) -> None:
    guest, anna, ben, floor, kitchen = (
        open_alone(new_context(), demo_server, path, viewport)
        for path, viewport in (
            ("guest", PHONE),
            ("waiter", PHONE),
            ("waiter?id=ben", PHONE),
            ("floor", TABLET),
            ("kitchen", TABLET),
        )
    )
    table = tile(floor, 7)

    press(guest, "Water")
    expect(card(anna, "Water")).to_be_visible()
    expect(table).to_contain_text("Water New")
    expect(table.locator(".state")).to_contain_text("Waiting")
    for title in ("Water", "Napkins", ORDER):
        press(anna, f"Acknowledge: {title}")
    expect(table.locator(".state")).to_contain_text("In hand")

    guest.get_by_text("Order from the menu").click()
    press(guest, "One more: Green salad")
    press(guest, "Order 1 item")
    salad = card(kitchen, "Green salad")
    expect(kitchen.locator(".badge")).to_have_text("1 not seen yet")
    expect(salad).to_contain_text("Not accepted yet")
    expect(salad.get_by_role("button")).to_have_count(0)
    expect(titles(kitchen, "New")).to_have_text([ORDER, "Green salad"])
    press(anna, "Acknowledge: Green salad")
    expect(card(anna, "Green salad")).to_contain_text("Acknowledged")
    expect(salad).to_contain_text("Accepted")
    press(kitchen, "Start cooking: Green salad")
    expect(titles(kitchen, "Cooking")).to_have_text(["Green salad"])
    expect(card(guest, "Green salad")).to_contain_text("Being prepared.")
    press(kitchen, "Ready: Green salad")
    expect(titles(kitchen, "Ready")).to_have_text(["Green salad"])
    expect(card(guest, "Green salad")).to_contain_text("on its way")
    expect(table.locator(".state")).to_contain_text("Food ready")

    table.get_by_role("checkbox").check()
    press(floor, "Hand table 7 to Ben")
    expect(floor.get_by_text("Table 7 handed to Ben")).to_be_visible()
    expect(floor.get_by_role("group", name="Hand over")).to_be_hidden()
    expect(table).to_contain_text("Ben")
    expect(floor.get_by_role("list", name="Who has what")).to_contain_text("Tables 7, 9")
    expect(guest).to_contain_text("Ben is looking after you")
    expect(card(anna, "Green salad")).to_have_count(0)
    press(ben, "Delivered: Green salad")
    expect(card(guest, "Green salad")).to_contain_text("Enjoy!")
    expect(salad).to_have_count(0)
    expect(table.locator(".state")).to_contain_text("In hand")


def titles(kitchen: Locator, column: str) -> Locator:
    """Return the titles of a column's orders."""
    board = kitchen.get_by_role("list", name=column)
    return board.get_by_role("heading", level=4)


def test_what_the_kitchen_presses_by_mistake_is_taken_back(
    demo_server: ServiceServer, new_context: Callable[..., BrowserContext]
) -> None:
    demo_server.service.update_order_status("ord-1", "Acknowledged")
    kitchen = open_alone(new_context(), demo_server, "kitchen", TABLET)
    keyboard = kitchen.page.keyboard
    kitchen.get_by_role("button", name=f"Start cooking: {ORDER}").focus()
    keyboard.press("Enter")
    # The card went to the next column, and the focus with it.
    ready = kitchen.get_by_role("button", name=f"Ready: {ORDER}")
    expect(ready).to_be_focused()
    expect(ready).to_be_enabled()
    keyboard.press("Enter")
    undo = kitchen.get_by_role("button", name=f"Undo: {ORDER}")
    expect(undo).to_be_focused()
    expect(undo).to_be_enabled()
    keyboard.press("Enter")
    expect(titles(kitchen, "Cooking")).to_have_text([ORDER])


def test_tables_of_several_waiters_are_handed_over_together(
    demo_server: ServiceServer, new_context: Callable[..., BrowserContext]
) -> None:
    demo_server.service.add_waiter("cleo", "Cleo")
    floor = open_alone(new_context(), demo_server, "floor", TABLET)
    for number in (5, 9):
        tile(floor, number).get_by_role("checkbox").check()
    takers = floor.get_by_role("group", name="Hand over")
    expect(takers.get_by_role("listitem")).to_have_text(["Anna", "Ben", "Cleo"])
    press(floor, "Cancel")
    expect(takers).to_be_hidden()
    expect(floor.get_by_role("checkbox", checked=True)).to_have_count(0)
    for number in (5, 9):
        tile(floor, number).get_by_role("checkbox").check()
    press(floor, "Hand tables 5, 9 to Cleo")
    expect(floor.get_by_text("Tables 5, 9 handed to Cleo")).to_be_visible()
    for number in (5, 9):
        expect(tile(floor, number)).to_contain_text("Cleo")


def test_each_page_fits_a_phone(
    demo_server: ServiceServer, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context(viewport=PHONE)
    for path, name in (
        ("guest", "Table 7"),
        ("waiter", "Anna"),
        ("waiter?id=ben", "Ben"),
        ("floor", "Floor"),
        ("kitchen", "Kitchen"),
    ):
        screen = open_alone(context, demo_server, path, PHONE)
        expect(screen).to_have_accessible_name(name)
        assert not screen.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        expect(screen.page.get_by_role("link", name="All screens")).to_be_visible()
        screen.page.close()
