"""The client with a simulated clock and server, in a page; see ``rehearsal.js``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

_SCRIPT = (Path(__file__).parent / "rehearsal.js").read_text()


def install(page: Page) -> None:
    """Give the page ``rehearse(prepare)``."""
    page.evaluate(f"() => {{ {_SCRIPT}; window.rehearse = rehearse; }}")


def play(page: Page, script: str, prepare: str = "() => {}") -> Any:
    """Run ``script`` with ``stage``, a new rehearsal, and return its result."""
    return page.evaluate(f"async () => {{ const stage = await rehearse({prepare}); {script} }}")
