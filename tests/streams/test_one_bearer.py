"""Whatever one bearer does, others are served in time, and no answer is large."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.one_bearer import (
    GUESTS_WORST,
    MANAGERS_WORST,
    PROMISED_SECONDS,
    WAITERS_WORST,
    attack,
    longest_wait,
    open_many_tables,
    remember_many_orders,
)
from tests.support.service_server import ServiceServer

ATTACK_SECONDS = 8.0


@pytest.mark.long
@pytest.mark.parametrize(
    ("role", "subject", "calls"),
    [
        ("customer", "table-7", GUESTS_WORST),
        ("waiter", "anna", WAITERS_WORST),
        ("manager", "mia", MANAGERS_WORST),
    ],
)
def test_one_bearer_does_not_delay_the_others(
    start_server: Callable[..., ServiceServer],
    tell: Callable[[str], None],
    role: str,
    subject: str,
    calls: list[str],
) -> None:
    # With the default limit, the guest would be stopped after 60 changes.
    server = start_server(GUEST_CHANGES_PER_MINUTE=0)
    remember_many_orders(server.service, 25_000)
    if role == "manager":
        open_many_tables(server.service, 198)
    quiet, _ = longest_wait(server, 2.0)
    with attack(server, role, subject, calls) as complaints:
        longest, awaited = longest_wait(server, ATTACK_SECONDS)
    assert not complaints, complaints[:5]
    tell(f"{role}: others wait {longest * 1000:.0f} ms at most, {quiet * 1000:.0f} ms before")
    assert longest - quiet < 2 * PROMISED_SECONDS, awaited
