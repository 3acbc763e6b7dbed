"""The demo page, used by touch, keyboard and sound."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.demo import DESKTOP, ORDER, Demo, card, press
from tests.browser.follower import change
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser


def test_a_request_for_water_from_start_to_finish(demo: Demo) -> None:
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
    expect(card(demo.guest, "Water")).to_contain_text("Anna has seen it.")
    press(demo.anna, "Undo: Water")
    expect(water).to_contain_text("New")
    press(demo.anna, "Acknowledge: Water")
    press(demo.anna, "Complete: Water")
    press(demo.guest, "Thank you: Water")
    expect(water).to_have_count(0)


def test_a_request_that_is_open_is_not_made_twice(demo: Demo) -> None:
    press(demo.guest, "Water")
    expect(demo.guest.get_by_text("Water: Your request has been received")).to_be_visible()
    expect(demo.guest.get_by_role("button", name="Water", exact=True)).to_be_enabled()
    press(demo.guest, "Water")
    expect(demo.guest.get_by_text("Water: Anna already knows.")).to_be_visible()
    expect(card(demo.anna, "Water")).to_have_count(1)


def test_an_order_from_the_menu_to_the_table(demo: Demo) -> None:
    demo.guest.get_by_text("Order from the menu").click()
    press(demo.guest, "One more: Green salad")
    press(demo.guest, "One more: Green salad")
    press(demo.guest, "Order 2 items")
    order = card(demo.anna, "2 × Green salad")
    for label in ("Acknowledge", "Start cooking", "Ready", "Delivered"):
        press(order, label)
    expect(card(demo.guest, "2 × Green salad")).to_contain_text("Enjoy!")
    press(demo.anna, "Undo: 2 × Green salad")
    expect(card(demo.guest, "2 × Green salad")).to_contain_text("on its way")
    press(demo.anna, "Delivered: 2 × Green salad")
    press(demo.anna, "Paid: 2 × Green salad")
    expect(card(demo.guest, "2 × Green salad")).to_contain_text("Paid.")


def test_guests_are_offered_only_what_they_may_do(demo: Demo) -> None:
    order = card(demo.guest, ORDER)
    expect(order.get_by_role("button", name="Cancel")).to_be_visible()
    press(demo.anna, f"Acknowledge: {ORDER}")
    expect(order).to_contain_text("Anna has taken it to the kitchen.")
    expect(order.get_by_role("button")).to_have_count(0)
    press(demo.anna, "Acknowledge: Napkins")
    napkins = card(demo.guest, "Napkins")
    expect(napkins).to_contain_text("Anna has seen it.")
    press(napkins, "Cancel")
    expect(napkins).to_contain_text("Cancelled.")
    expect(napkins.get_by_role("button")).to_have_count(0)


def test_an_undone_request_is_not_shown_as_a_new_call(demo: Demo) -> None:
    press(demo.anna, "Acknowledge: Napkins")
    press(demo.anna, "Complete: Napkins")
    press(demo.anna, "Undo: Napkins")
    expect(card(demo.anna, "Napkins")).to_contain_text("In progress")
    press(demo.guest, "Water")
    expect(demo.anna.locator(".badge")).to_have_text("1 not seen yet")
    expect(card(demo.anna, "Napkins")).not_to_have_class(re.compile("unseen"))


def test_new_calls_chime_after_a_tap_on_sound(
    demo_server: ServiceServer, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context(viewport=DESKTOP)
    context.add_init_script(
        """
        window.notes = 0;
        const { createOscillator } = AudioContext.prototype;
        AudioContext.prototype.createOscillator = function () {
          window.notes += 1;
          window.audio = this;
          return createOscillator.call(this);
        };
        """
    )
    demo = Demo(context, demo_server)
    sound = demo.anna.get_by_role("switch", name="Sound")
    expect(sound).not_to_be_checked()
    expect(sound).to_contain_text("Sound off")
    press(demo.guest, "The bill")
    expect(demo.anna.locator(".badge")).to_be_visible()
    assert demo.page.evaluate("notes") == 0
    sound.click()
    expect(sound).to_be_checked()
    expect(sound).to_contain_text("Sound on")
    before = demo.page.evaluate("notes")
    assert before > 0, "the switch shows that sound is on"
    demo.page.evaluate("audio.suspend()")  # as a telephone call does
    press(demo.guest, "Waiter")
    # Not wait_for_function: the page's policy forbids it to evaluate text.
    rings = f"notes > {before} && audio.state === 'running'"
    wait_until(lambda: demo.page.evaluate(rings), 20)


def test_all_tables_are_transferred(demo: Demo) -> None:
    press(demo.anna, "Hand all tables to Ben")
    expect(demo.guest).to_contain_text("Anna is looking after you")
    undo = demo.anna.get_by_role("button", name="Undo", exact=True)
    undo.click()
    expect(undo).to_be_hidden()
    expect(demo.anna.get_by_text("Nothing was handed over")).to_be_attached()
    press(demo.anna, "Hand all tables to Ben")
    expect(demo.anna.get_by_text("2 tables handed to Ben")).to_be_visible()
    expect(demo.anna).to_contain_text("No tables. Enjoy the break.")
    expect(demo.ben.get_by_text("Tables 5, 7 are yours now")).to_be_visible()
    expect(demo.guest).to_contain_text("Ben is looking after you")


def test_all_tables_are_transferred_to_a_phone_that_sleeps_and_wakes(demo: Demo) -> None:
    press(demo.ben, "Put phone to sleep")
    expect(demo.ben.locator(".link")).to_have_text("Asleep")
    expect(demo.ben.get_by_role("button", name="Hand all tables to Anna")).to_be_disabled()
    press(demo.anna, "Hand all tables to Ben")
    expect(demo.anna).to_contain_text("No tables. Enjoy the break.")
    expect(demo.guest).to_contain_text("Ben is looking after you")
    expect(demo.ben.locator(".ticket")).to_have_count(0)

    press(demo.ben, "Wake the phone")
    expect(demo.ben).to_contain_text("Caught up on 2 updates")
    expect(demo.ben).to_contain_text("Tables 5, 7, 9")
    expect(demo.ben.locator(".badge")).to_have_text("2 not seen yet")
    press(demo.ben, "Acknowledge: Napkins")
    expect(card(demo.guest, "Napkins")).to_contain_text("Ben has seen it.")


def test_the_log_shows_each_event_as_received(demo: Demo, demo_server: ServiceServer) -> None:
    change(demo_server)
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


def test_the_log_shows_changes_and_folds_refreshes(demo: Demo) -> None:
    press(demo.anna, "Acknowledge: Napkins")
    log = demo.page.get_by_role("region", name="Events")
    line = log.locator("[data-who=guest][data-type=request_update]")
    expect(line).to_contain_text("Table 7: New → Acknowledged")
    refresh = log.locator("[data-who=guest][data-type=cache_refresh]").first
    expect(refresh).to_be_attached()
    expect(refresh).to_be_hidden()
    log.get_by_label("Refreshes").check()
    expect(refresh).to_be_visible()


def test_one_tap_shows_a_new_call_that_is_scrolled_out_of_sight(
    demo: Demo, demo_server: ServiceServer
) -> None:
    for kind in ("bill", "waiter", "water"):
        demo_server.service.create_request("table-5", kind)
    expect(demo.anna.locator(".badge")).to_have_text("3 not seen yet")
    press(demo.guest, "The bill")
    # Table 7 has waited longest, so it is at the top, with its new call below the old ones.
    demo.anna.locator(".scroll").evaluate("(each) => each.scrollTo(0, 0)")
    notice = demo.anna.get_by_role("button", name=re.compile("^Show new: .*, table 5"))
    expect(demo.anna.get_by_role("status").filter(has_text="New: The bill")).to_be_attached()
    notice.click()
    focused = demo.anna.locator(".ticket:focus-within")
    expect(focused).to_be_in_viewport(ratio=1)
    expect(focused).not_to_have_class(re.compile("unseen"))


def test_the_keyboard_works_without_losing_the_focus(demo: Demo) -> None:
    keyboard = demo.page.keyboard
    demo.anna.get_by_role("button", name="Acknowledge: Napkins").focus()
    keyboard.press("Enter")
    complete = demo.anna.get_by_role("button", name="Complete: Napkins")
    expect(complete).to_be_focused()
    expect(complete).to_be_enabled()
    keyboard.press("Enter")
    # The ticket moved to the finished ones, and the focus moved with it.
    expect(demo.anna.get_by_role("button", name="Done: Napkins")).to_be_focused()
