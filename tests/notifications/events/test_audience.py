"""Who may receive each event, and who may not."""

from __future__ import annotations

import itertools

import pytest

from notifications.events.catalogue import PUBLISHED
from notifications.events.floor_event import FloorEvent
from notifications.events.payload import EXAMPLE_MOMENT
from notifications.events.session_transfer import SessionTransfer
from notifications.principal import Principal, Role
from waiter_service.transfer_cause import TransferCause

GUEST_5 = Principal(Role.CUSTOMER, "table-5", expires_at=0, issued_at=0)
GUEST_7 = Principal(Role.CUSTOMER, "table-7", expires_at=0, issued_at=0)
ANNA = Principal(Role.WAITER, "anna", expires_at=0, issued_at=0)
BEN = Principal(Role.WAITER, "ben", expires_at=0, issued_at=0)
CARL = Principal(Role.WAITER, "carl", expires_at=0, issued_at=0)
MANAGER = Principal(Role.MANAGER, "maria", expires_at=0, issued_at=0)
EVERYONE = {
    "guest 5": GUEST_5,
    "guest 7": GUEST_7,
    "anna": ANNA,
    "ben": BEN,
    "carl": CARL,
    "manager": MANAGER,
}


def listeners_of(channels: tuple[str, ...]) -> set[str]:
    """Return who may follow any of ``channels``."""
    return {
        name
        for (name, principal), channel in itertools.product(EVERYONE.items(), channels)
        if principal.may_hear(*channel.split(":")[1:])
    }


def transfer(*, waiter_id: str, previous_waiter_id: str) -> FloorEvent:
    return SessionTransfer.told(
        session_id="table-7",
        waiter_id=waiter_id,
        previous_waiter_id=previous_waiter_id,
        table_number=7,
        cause=TransferCause.BREAK,
        timestamp=EXAMPLE_MOMENT,
    )


#: The channels of each event of table 7 in the venue north, whose waiter is anna. Other ids are
#: those of the example.
AUDIENCES = {
    "request_update": ("north:session:table-7", "north:waiter:anna", "north:floor:north"),
    "order_update": (
        "north:session:table-7",
        "north:waiter:anna",
        "north:floor:north",
        "north:kitchen:north",
    ),
    "session_transfer": (
        "north:session:table-7",
        "north:waiter:anna",
        "north:waiter:waiter-123",
        "north:floor:north",
    ),
}


@pytest.mark.parametrize(
    "kind",
    [kind for kind in PUBLISHED if issubclass(kind, FloorEvent)],
    ids=lambda kind: kind.event_type,
)
def test_event_reaches_exactly_the_people_it_concerns(kind: type[FloorEvent]) -> None:
    assert kind.event_type in AUDIENCES, (
        f"{kind.event_type} is new: add to AUDIENCES, in this file, the channels it goes to"
    )
    event = kind.example().model_copy(update={"session_id": "table-7", "waiter_id": "anna"})
    assert event.audience("north") == AUDIENCES[kind.event_type]
    assert listeners_of(event.audience("north")) == {"guest 7", "anna", "manager"}


def test_transfer_reaches_exactly_the_guest_and_both_waiters() -> None:
    event = transfer(waiter_id="ben", previous_waiter_id="anna")
    assert event.audience("main") == (
        "main:session:table-7",
        "main:waiter:ben",
        "main:waiter:anna",
        "main:floor:main",
    )
    assert listeners_of(event.audience("main")) == {"guest 7", "anna", "ben", "manager"}


def test_transfer_to_the_same_waiter_names_the_channel_once() -> None:
    event = transfer(waiter_id="anna", previous_waiter_id="anna")
    assert event.audience("main") == ("main:session:table-7", "main:waiter:anna", "main:floor:main")


@pytest.mark.parametrize(
    ("name", "kind", "channel_id", "may"),
    [
        ("guest 7", "session", "table-7", True),
        ("guest 7", "session", "table-5", False),
        ("guest 7", "waiter", "table-7", False),
        ("guest 7", "waiter", "anna", False),
        ("anna", "waiter", "anna", True),
        ("anna", "waiter", "ben", False),
        ("anna", "waiter", "Anna", False),
        ("anna", "session", "anna", False),
        ("anna", "session", "table-7", False),
        ("anna", "floor", "anna", False),
        ("guest 7", "kitchen", "table-7", False),
        ("manager", "waiter", "anna", True),
        ("manager", "session", "table-7", True),
    ],
)
def test_principal_may_follow_its_own_channels_only(
    name: str, kind: str, channel_id: str, may: bool
) -> None:
    assert EVERYONE[name].may_hear(kind, channel_id) is may


def test_guest_and_waiter_with_the_same_id_are_different_bearers() -> None:
    guest = Principal(Role.CUSTOMER, "anna", expires_at=0, issued_at=0)
    assert not guest.may_hear("waiter", "anna")
    assert guest.key != ANNA.key
