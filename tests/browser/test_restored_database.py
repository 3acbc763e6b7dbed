"""After the database is restored, pages show the restored state and later changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.demo import ORDER, Demo, card, press
from tests.browser.follower import Follower, change
from tests.support.service_server import ServiceServer

pytestmark = pytest.mark.browser


@pytest.fixture
def go_back(seeded_sqlite: Path) -> Callable[[ServiceServer], None]:
    """Restart a server with its initial database."""

    def restore(server: ServiceServer) -> None:
        # A killed server leaves no history, so every client is told to load everything again.
        server.kill()
        for end in ("-wal", "-shm"):
            (server.directory / f"restaurant.db{end}").unlink(missing_ok=True)
        shutil.copyfile(seeded_sqlite, server.directory / "restaurant.db")
        server.start()

    return restore


def test_a_page_accepts_lower_versions_after_a_restore(
    context: BrowserContext, own_server: ServiceServer, go_back: Callable[[ServiceServer], None]
) -> None:
    page = Follower(context, own_server)
    change(own_server, 6)
    page.assert_right()
    go_back(own_server)
    page.assert_right()
    # On a slow machine the refreshes for the changes may arrive first.
    refreshes = page.ask("seen.refreshes.map((each) => each.affectedData)")
    assert refreshes[-1] == ["all"]
    assert refreshes.count(["all"]) == 1
    told = len(page.ids)
    change(own_server)
    page.assert_right()
    assert len(page.ids) == told + 1


def test_the_demo_shows_the_restored_state_and_later_changes(
    demo: Demo, demo_server: ServiceServer, go_back: Callable[[ServiceServer], None]
) -> None:
    press(demo.guest, "Water")
    for move in ("Acknowledge", "Start cooking"):
        press(demo.anna, f"{move}: {ORDER}")
    expect(card(demo.anna, ORDER)).to_contain_text("In progress")
    expect(card(demo.anna, "Water")).to_be_visible()
    go_back(demo_server)
    expect(card(demo.anna, "Water")).to_be_hidden()
    press(demo.anna, f"Acknowledge: {ORDER}")
    expect(card(demo.guest, ORDER)).to_have_attribute("data-status", "Acknowledged")
