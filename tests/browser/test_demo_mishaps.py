"""The demo page when something goes wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Route, expect

from tests.browser.demo import DESKTOP, ORDER, Demo, card, press, tile
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until
from waiter_service.revocations import Revocations

pytestmark = [pytest.mark.browser, pytest.mark.long]


def test_a_double_tap_moves_a_ticket_once(demo: Demo) -> None:
    demo.anna.get_by_role("button", name="Acknowledge: Napkins").dblclick()
    expect(card(demo.anna, "Napkins")).to_contain_text("Acknowledged")
    expect(demo.anna.get_by_role("button", name="Complete: Napkins")).to_be_enabled()
    expect(card(demo.guest, "Napkins")).to_contain_text("has seen it")


def test_a_quick_second_tap_does_not_move_the_ticket_that_slides_under_the_finger(
    demo: Demo,
) -> None:
    press(demo.anna, "Acknowledge: Napkins")
    complete = demo.anna.get_by_role("button", name="Complete: Napkins")
    expect(complete).to_be_enabled()
    place = place_of(complete)
    moves = moves_sent(demo)
    demo.page.mouse.click(*place)
    order = demo.anna.get_by_role("button", name=f"Acknowledge: {ORDER}")
    # No helper that waits, because the second tap must be fast.
    demo.page.evaluate(
        """([x, y]) => new Promise((resolve) => {
          const look = () => {
            const button = document.elementFromPoint(x, y)?.closest("button");
            if (button?.ariaLabel.startsWith("Acknowledge: 2")) resolve();
            else requestAnimationFrame(look);
          };
          look();
        })""",
        place,
    )
    demo.page.mouse.click(*place)
    assert len(moves) == 1
    expect(order).to_be_enabled()
    demo.page.mouse.click(*place)
    expect(card(demo.anna, ORDER)).to_contain_text("Acknowledged")


def test_a_quick_second_key_press_does_not_move_the_next_focused_ticket(demo: Demo) -> None:
    keyboard = demo.page.keyboard
    press(demo.anna, "Acknowledge: Napkins")
    press(demo.anna, "Complete: Napkins")
    done = demo.anna.get_by_role("button", name="Done: Napkins")
    expect(done).to_be_enabled()
    moves = moves_sent(demo)
    done.focus()
    keyboard.press("Enter")
    next_one = demo.anna.get_by_role("button", name=f"Acknowledge: {ORDER}")
    expect(next_one).to_be_focused()
    keyboard.press("Enter")
    assert len(moves) == 1
    expect(next_one).to_be_enabled()
    keyboard.press("Enter")
    expect(card(demo.anna, ORDER)).to_contain_text("Acknowledged")


def test_a_key_that_is_held_down_presses_once(demo: Demo) -> None:
    keyboard = demo.page.keyboard
    moves = moves_sent(demo)
    demo.anna.get_by_role("button", name="Acknowledge: Napkins").focus()
    keyboard.down("Enter")
    complete = demo.anna.get_by_role("button", name="Complete: Napkins")
    expect(complete).to_be_focused()
    expect(complete).to_be_enabled()
    keyboard.down("Enter")
    keyboard.down("Enter")
    keyboard.up("Enter")
    assert len(moves) == 1
    keyboard.press("Enter")
    expect(demo.anna.get_by_role("button", name="Done: Napkins")).to_be_focused()


def place_of(button: Locator) -> tuple[float, float]:
    """Return the point in the window where a finger taps."""
    box = button.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def moves_sent(demo: Demo) -> list[str]:
    """Return a list that receives the address of each move from now on."""
    sent: list[str] = []
    demo.page.on("request", lambda each: sent.append(each.url) if each.method == "PATCH" else None)
    return sent


def test_an_answer_of_a_captive_portal_counts_as_not_sent(
    demo: Demo, demo_server: ServiceServer
) -> None:
    def intercept(route: Route) -> None:
        route.fulfill(status=200, content_type="text/html", body="<h1>Welcome to our wifi</h1>")

    demo.page.route("**/api/**", intercept)
    press(demo.guest, "Water")
    unsent = demo.guest.get_by_role("list", name="Not sent")
    expect(unsent.get_by_role("alert")).to_contain_text("Water: not sent. No connection.")
    expect(card(demo.guest, "Water")).to_have_count(0)
    press(demo.anna, "Acknowledge: Napkins")
    napkins = card(demo.anna, "Napkins")
    expect(napkins.get_by_role("alert")).to_contain_text("Napkins: No connection.")
    expect(napkins).to_contain_text("New")
    press(demo.guest, "Try again: Water")
    expect(unsent.get_by_role("alert")).to_contain_text("Water: not sent. No connection.")
    demo.page.unroute("**/api/**")
    press(demo.guest, "Try again: Water")
    expect(card(demo.guest, "Water")).to_contain_text("Sent to Anna.")
    expect(unsent.get_by_role("listitem")).to_have_count(0)


def test_a_double_tap_calls_once(demo: Demo) -> None:
    calls = []
    demo.page.on("request", lambda each: calls.append(each) if each.method == "POST" else None)
    water = demo.guest.get_by_role("button", name="Water", exact=True)
    water.dblclick()
    expect(card(demo.guest, "Water")).to_be_visible()
    expect(water).to_be_enabled()
    assert len([each for each in calls if each.url.endswith("/requests")]) == 1


def test_a_double_tap_orders_once(demo: Demo, demo_server: ServiceServer) -> None:
    demo.order("Lemonade").dblclick()
    expect(card(demo.anna, "Lemonade")).to_be_visible()
    press(demo.guest, "Water")
    expect(card(demo.anna, "Water")).to_be_visible()
    assert orders(demo_server) == [ORDER, "Lemonade"]


def test_an_order_whose_answer_was_lost_is_placed_once(
    demo: Demo, demo_server: ServiceServer
) -> None:
    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    demo.page.route("**/orders", lose_the_answer)
    order = demo.order("Lemonade")
    order.click()
    expect(demo.guest.get_by_text("No connection. Please try again.")).to_be_visible()
    demo.page.unroute("**/orders")
    expect(order).to_be_enabled()
    order.click()
    expect(order).to_be_hidden()
    assert orders(demo_server) == [ORDER, "Lemonade"]

    # The next order is a new one, although its contents are the same.
    demo.order("Lemonade").click()
    wait_until(lambda: orders(demo_server) == [ORDER, "Lemonade", "Lemonade"])


def orders(server: ServiceServer) -> list[str]:
    """Return the dishes of each order at the table, from the server."""
    snapshot = server.get("/api/sessions/table-7", token=server.token("manager", "mia")).json()
    return [
        ", ".join(
            item["name"] if item["quantity"] == 1 else f"{item['quantity']} × {item['name']}"
            for item in order["items"]
        )
        for order in snapshot["orders"]
    ]


def test_an_outdated_screen_is_told_why_its_move_was_refused(demo: Demo) -> None:
    order = card(demo.guest, ORDER)
    press(demo.guest, "Pause live updates")
    expect(demo.guest.locator(".link")).to_have_text("Paused")
    press(demo.anna, f"Acknowledge: {ORDER}")
    press(demo.anna, f"Start cooking: {ORDER}")
    expect(card(demo.anna, ORDER)).to_contain_text("In progress")
    expect(order).to_contain_text("Sent.")

    press(order, "Cancel")
    reason = order.get_by_role("alert")
    expect(reason).to_have_text(
        f"{ORDER}: It is “In progress” by now, and cannot be changed from here."
    )
    expect(order).to_contain_text("Being prepared.")
    expect(order.get_by_role("button")).to_have_count(0)

    press(demo.guest, "Resume live updates")
    expect(demo.guest.get_by_text("Caught up on 2 updates")).to_be_visible()
    expect(reason).to_be_visible()
    press(demo.anna, f"Ready: {ORDER}")
    expect(order).to_contain_text("on its way")
    expect(reason).to_be_hidden()


def test_an_outdated_screen_shows_the_answer_to_its_own_call(demo: Demo) -> None:
    press(demo.guest, "Pause live updates")
    press(demo.guest, "Water")
    water = card(demo.guest, "Water")
    expect(water).to_contain_text("Sent to Anna.")
    press(water, "Cancel")
    expect(water).to_contain_text("Cancelled.")


def test_a_lost_server_is_shown_and_everything_is_right_when_it_is_back(
    demo: Demo, demo_server: ServiceServer
) -> None:
    demo_server.kill()
    demo.expect_links("Offline")
    press(demo.anna, "Acknowledge: Napkins")
    lost = card(demo.anna, "Napkins").get_by_role("alert")
    expect(lost).to_contain_text("No connection")
    demo_server.service.create_request("table-5", "bill")
    demo_server.service.place_order("table-5", [{"name": "Lemonade", "quantity": 1}])
    demo_server.start()
    demo.expect_links("Live")
    expect(card(demo.anna, "The bill")).to_be_visible()
    expect(lost).to_be_hidden()
    expect(tile(demo.floor, 5)).to_contain_text("The bill")
    expect(card(demo.kitchen, "Lemonade")).to_be_visible()


def test_a_failed_transfer_shows_that_nothing_was_transferred(demo: Demo) -> None:
    demo.page.route("**/transfers", lambda route: route.abort())
    press(demo.anna, "Hand all tables to Ben")
    expect(demo.anna.get_by_text("Nothing was handed over. No connection.")).to_be_visible()
    expect(demo.anna).to_contain_text("Tables 5, 7")


def test_a_successful_call_reconnects_the_stream(demo: Demo) -> None:
    # The next attempt is half a minute away, and no event announces the network.
    demo.page.evaluate("window.dispatchEvent(new Event('offline'))")
    demo.expect_links("Offline")
    press(demo.anna, "Acknowledge: Napkins")
    expect(demo.anna.locator(".link")).to_have_text("Live")
    expect(demo.ben.locator(".link")).to_have_text("Offline")


def test_offline_it_shows_when_it_tries_again_and_tries_when_pressed(demo: Demo) -> None:
    demo.page.evaluate("window.dispatchEvent(new Event('offline'))")
    demo.expect_links("Offline")
    notice = demo.anna.get_by_text(re.compile("This device has no network. Next try in [0-9]+ s."))
    expect(notice).to_be_visible()
    first = notice.inner_text()
    expect(notice).not_to_have_text(first)
    lost = demo.page.get_by_role("region", name="Events").locator("[data-type=offline]")
    expect(lost).to_have_count(5)
    press(demo.anna, "Try now")
    expect(demo.anna.locator(".link")).to_have_text("Live")
    expect(demo.anna.get_by_role("button", name="Try now")).to_be_hidden()
    expect(demo.ben.locator(".link")).to_have_text("Offline")


def test_a_withdrawn_login_shows_why_and_one_tap_gets_a_new_one(
    demo: Demo, demo_server: ServiceServer
) -> None:
    Revocations(demo_server.service.database).revoke_waiter("anna")
    expect(demo.anna.locator(".link")).to_have_text("Signed out")
    notice = demo.anna.get_by_role("alert").filter(has_text="This phone’s access was withdrawn.")
    expect(notice).to_be_visible()
    expect(demo.ben.locator(".link")).to_have_text("Live")

    def is_live_again() -> bool:
        with demo.page.expect_navigation():
            press(demo.anna, "Reload")
        # Not wait_for_function: the page's policy forbids it to evaluate text.
        state = "document.querySelector('#anna').dataset.state"
        wait_until(lambda: demo.page.evaluate(state) in ("live", "refused"), 20)
        return bool(demo.page.evaluate(state) == "live")

    # A token issued within the second of the revocation is withdrawn too.
    wait_until(is_live_again, 30)


def test_the_page_of_a_closed_table_shows_that_the_visit_is_over(
    demo: Demo, demo_server: ServiceServer
) -> None:
    demo_server.service.close_session("table-7", force=True, reason="gone")
    for _ in ("as it is closed", "when it is loaded later"):
        expect(demo.guest.locator(".link")).to_have_text("Closed")
        expect(demo.guest.get_by_text("This table is closed.")).to_be_visible()
        expect(demo.guest.get_by_role("button", name="Reload")).to_be_hidden()
        expect(demo.guest.get_by_role("button")).to_have_count(0)
        demo.page.reload()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_answer_of_a_proxy_signs_no_user_out(
    new_context: Callable[..., BrowserContext], demo_server: ServiceServer, status: int
) -> None:
    """This happens during a deploy, for example."""
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        route.fulfill(status=status, content_type="text/html", body="<h1>Deploying</h1>")

    context = new_context(viewport=DESKTOP)
    context.route("**/api/**", refuse)
    page = context.new_page()
    page.goto(f"{demo_server.url}/demo")
    links = page.locator(".link")
    expect(links).to_have_text(["Offline"] * 5)
    expect(page.get_by_text("Signed out")).to_have_count(0)
    context.unroute("**/api/**")
    page.get_by_role("button", name="Try now").first.click()
    expect(links).to_have_text(["Live"] * 5)
