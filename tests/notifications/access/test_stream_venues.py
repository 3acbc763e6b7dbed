"""In which venue a stream is opened, and what happens if that turns out to be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from notifications.access.stream_venues import StreamVenues
from notifications.errors import NotAllowed
from notifications.principal import Principal, Role
from notifications.streams.stream import CloseReason, Stream
from tests.support.service_server import copy_sqlite
from tests.support.streams import RecordingStreams, make_stream
from waiter_service import Database, WaiterService
from waiter_service.reading.venue_directory import VenueDirectory


class House:
    """A floor of one venue, and the streams of one process."""

    def __init__(self, database: Database) -> None:
        self.now = 0.0
        self.service = WaiterService(database)
        self.streams = RecordingStreams()
        self.venues = StreamVenues(VenueDirectory(database), self.streams, clock=lambda: self.now)
        self.check()

    def check(self) -> None:
        self.now += 1
        self.venues.check()

    def open(self, kind: str, channel_id: str) -> Stream:
        venue_id = self.venues.venue_of(kind, channel_id)
        self.streams.add(stream := make_stream(f"{venue_id}:{kind}:{channel_id}"))
        return stream

    def add_north(self) -> None:
        self.service.add_venue("north")
        self.service.add_waiter("carla", "Carla", venue_id="north")


@pytest.fixture
def house(seeded_sqlite: Path, tmp_path: Path) -> Iterator[House]:
    database = Database(copy_sqlite(seeded_sqlite, tmp_path))
    yield House(database)
    database.dispose()


def bearer(role: Role, subject: str, venue: str) -> Principal:
    return Principal(role, subject, expires_at=2e9, issued_at=0.0, venue=venue)


def test_stream_of_a_floor_or_a_kitchen_is_in_the_venue_it_names(house: House) -> None:
    assert house.venues.venue_of("floor", "north") == "north"
    assert house.venues.venue_of("kitchen", "main") == "main"


def test_streams_in_the_right_venue_stay_open_when_a_second_one_is_added(house: House) -> None:
    for kind, channel_id in (("waiter", "anna"), ("session", "table-7"), ("floor", "main")):
        house.open(kind, channel_id)
    house.add_north()
    house.check()
    house.check()
    assert house.streams.closed == []
    assert house.open("waiter", "carla").channel == "north:waiter:carla"


def test_streams_opened_just_before_this_process_knew_of_their_venue_end(house: House) -> None:
    house.add_north()
    house.service.open_session(7, "carla", session_id="north-7")
    wrong = [house.open("session", "north-7"), house.open("waiter", "carla")]
    right = [house.open("session", "table-7"), house.open("waiter", "anna")]
    assert [stream.channel for stream in wrong] == ["main:session:north-7", "main:waiter:carla"]

    house.check()

    assert house.streams.closed == [(stream, CloseReason.FAILED) for stream in wrong]
    assert not any(stream.is_closed for stream in right)
    assert house.open("session", "north-7").channel == "north:session:north-7"


def test_stream_of_an_unknown_session_ends_when_it_is_opened_in_another_venue(
    house: House,
) -> None:
    house.add_north()
    house.check()
    early, other = house.open("session", "late"), house.open("session", "never")
    house.check()
    assert house.streams.closed == []

    house.service.open_session(7, "carla", session_id="late")
    house.check()
    assert house.streams.closed == [(early, CloseReason.FAILED)]
    assert not other.is_closed


def test_stream_of_an_unknown_session_stays_when_it_is_opened_in_main(house: House) -> None:
    house.add_north()
    house.check()
    early = house.open("session", "late")
    house.service.open_session(1, "anna", session_id="late")
    house.check()
    house.check()
    assert not early.is_closed


def test_checks_come_once_a_second(house: House) -> None:
    house.add_north()
    house.venues.check()
    stream = house.open("waiter", "carla")
    assert stream.channel == "main:waiter:carla"
    house.check()
    assert stream.is_closed


@pytest.mark.parametrize(
    ("role", "subject", "venue", "may"),
    [
        (Role.WAITER, "carla", "north", True),
        (Role.WAITER, "carla", "main", False),
        (Role.WAITER, "carla", "*", False),
        (Role.WAITER, "anna", "main", True),
        (Role.WAITER, "anna", "north", False),
        (Role.KITCHEN, "north", "north", True),
        (Role.KITCHEN, "north", "main", False),
        (Role.DISPLAY, "main", "main", True),
        (Role.DISPLAY, "main", "*", False),
        (Role.MANAGER, "mia", "north", True),
        (Role.MANAGER, "mia", "*", True),
        (Role.CUSTOMER, "table-7", "main", True),
    ],
)
def test_token_must_name_the_venue_of_its_bearer(
    house: House, role: Role, subject: str, venue: str, may: bool
) -> None:
    # No check has noticed the venue yet: a token that names it is reason enough to look.
    house.add_north()
    if may:
        house.venues.require_own_venue(bearer(role, subject, venue))
    else:
        house.check()
        with pytest.raises(NotAllowed):
            house.venues.require_own_venue(bearer(role, subject, venue))
