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


def bearer(role: Role, subject: str, venue: str = "north") -> Principal:
    return Principal(role, subject, expires_at=0, issued_at=0, venue=venue)


ANNA = bearer(Role.WAITER, "anna")
#: Everyone who may follow something; those without another venue are of the venue north.
EVERYONE = {
    "guest 5": bearer(Role.CUSTOMER, "table-5", "main"),
    "guest 7": bearer(Role.CUSTOMER, "table-7", "main"),
    "anna": ANNA,
    "ben": bearer(Role.WAITER, "ben"),
    "carl": bearer(Role.WAITER, "carl"),
    "manager": bearer(Role.MANAGER, "maria"),
    "head office": bearer(Role.MANAGER, "maria", "*"),
    "kitchen": bearer(Role.KITCHEN, "north"),
    "display": bearer(Role.DISPLAY, "north"),
    "service": bearer(Role.SERVICE, "till", "*"),
    "manager of south": bearer(Role.MANAGER, "maria", "south"),
    "manager of main": bearer(Role.MANAGER, "maria", "main"),
    "kitchen of south": bearer(Role.KITCHEN, "south", "south"),
    "display of south": bearer(Role.DISPLAY, "south", "south"),
    "anna with a token of south": bearer(Role.WAITER, "anna", "south"),
    "kitchen with a token of south": bearer(Role.KITCHEN, "north", "south"),
    "kitchen with a token of all": bearer(Role.KITCHEN, "north", "*"),
}
WATCHING = {"manager", "head office", "display"}


def listeners_of(channels: tuple[str, ...]) -> set[str]:
    """Return who may follow any of ``channels``."""
    return {
        name
        for (name, principal), channel in itertools.product(EVERYONE.items(), channels)
        if may_follow(principal, channel)
    }


def may_follow(principal: Principal, channel: str) -> bool:
    venue_id, kind, channel_id = channel.split(":")
    return principal.may_hear(kind, channel_id, venue_id)


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
    "session_update": ("north:floor:north",),
    "shift_update": ("north:waiter:anna", "north:floor:north"),
    "handover_offered": ("north:waiter:anna", "north:waiter:ben", "north:floor:north"),
    "handover_settled": ("north:waiter:anna", "north:waiter:ben", "north:floor:north"),
}
LISTENERS = {
    "request_update": {"guest 7", "anna"},
    "order_update": {"guest 7", "anna", "kitchen"},
    "session_transfer": {"guest 7", "anna"},
    "session_update": set(),
    "shift_update": {"anna"},
    "handover_offered": {"anna", "ben"},
    "handover_settled": {"anna", "ben"},
}
IDS = {
    "session_id": "table-7",
    "waiter_id": "anna",
    "from_waiter_id": "anna",
    "to_waiter_id": "ben",
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
    ids = {name: value for name, value in IDS.items() if name in kind.model_fields}
    event = kind.example().model_copy(update=ids)
    assert event.audience("north") == AUDIENCES[kind.event_type]
    assert listeners_of(event.audience("north")) == LISTENERS[kind.event_type] | WATCHING


def test_transfer_reaches_exactly_the_guest_and_both_waiters() -> None:
    event = transfer(waiter_id="ben", previous_waiter_id="anna")
    assert event.audience("north") == (
        "north:session:table-7",
        "north:waiter:ben",
        "north:waiter:anna",
        "north:floor:north",
    )
    assert listeners_of(event.audience("north")) == {"guest 7", "anna", "ben", *WATCHING}


def test_transfer_to_the_same_waiter_names_the_channel_once() -> None:
    event = transfer(waiter_id="anna", previous_waiter_id="anna")
    assert event.audience("north") == (
        "north:session:table-7",
        "north:waiter:anna",
        "north:floor:north",
    )


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
        ("manager", "floor", "north", True),
        ("manager", "kitchen", "north", True),
        ("head office", "waiter", "anna", True),
        ("manager of south", "session", "table-7", False),
        ("manager of south", "floor", "north", False),
        ("manager of main", "waiter", "anna", False),
        ("kitchen", "kitchen", "north", True),
        ("kitchen", "floor", "north", False),
        ("kitchen", "session", "table-7", False),
        ("kitchen", "waiter", "anna", False),
        ("display", "floor", "north", True),
        ("display", "kitchen", "north", False),
        ("display", "waiter", "anna", False),
        ("anna", "kitchen", "north", False),
        ("service", "floor", "north", False),
        ("service", "session", "table-7", False),
        ("anna with a token of south", "waiter", "anna", False),
        ("kitchen with a token of south", "kitchen", "north", False),
        ("kitchen with a token of all", "kitchen", "north", False),
    ],
)
def test_principal_may_follow_its_own_channels_only(
    name: str, kind: str, channel_id: str, may: bool
) -> None:
    assert EVERYONE[name].may_hear(kind, channel_id, "north") is may


def test_bearers_with_the_same_id_have_different_keys() -> None:
    guest = bearer(Role.CUSTOMER, "anna", "main")
    assert not guest.may_hear("waiter", "anna", "north")
    others = [bearer(Role.MANAGER, "anna", venue) for venue in ("main", "north", "south", "*")]
    assert len({each.key for each in (guest, ANNA, *others)}) == 6
    assert others[0].key == "manager:anna"
