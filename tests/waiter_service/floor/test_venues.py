"""Venues: what belongs to one, and what actors of another venue cannot do."""

import pytest

from waiter_service import (
    ALL_VENUES,
    Actor,
    IdTaken,
    Missing,
    TableOccupied,
    TransferRefused,
    UnknownVenue,
    UnknownWaiter,
    ValidationError,
)

MANAGER_OF_ALL = Actor.manager("boss", ALL_VENUES)
MANAGER_OF_MAIN = Actor.manager("boss")


@pytest.fixture
def harbour(service):
    """A second venue with a waiter, Hana."""
    service.add_venue("harbour", "At the Harbour", time_zone="Europe/Lisbon")
    service.add_waiter("hana", "Hana", venue_id="harbour")
    return service


def test_a_table_number_is_open_once_in_each_venue(harbour):
    there = harbour.open_session(5, "hana")
    assert there.venue_id == "harbour"
    with pytest.raises(TableOccupied):
        harbour.open_session(5, "hana")
    with pytest.raises(TableOccupied):
        harbour.open_session(5, "anna")


def test_a_transfer_stays_within_the_venue(harbour):
    session = harbour.open_session(70, "hana")
    with pytest.raises(UnknownWaiter):
        harbour.transfer_sessions(from_waiter_id="anna", to_waiter_id="hana")
    with pytest.raises(TransferRefused) as refused:
        harbour.transfer_sessions(session_ids=[session.id], to_waiter_id="ben")
    assert refused.value.reasons == {session.id: "unknown"}


@pytest.mark.parametrize(
    "change",
    [
        lambda service, actor, session: service.close_session(session.id, actor=actor),
        lambda service, actor, session: service.create_request(session.id, "water", actor=actor),
        lambda service, actor, session: service.open_session(6, "hana", actor=actor),
        lambda service, actor, session: service.transfer_sessions(
            session_ids=[session.id], to_waiter_id="hana", actor=actor
        ),
        lambda service, actor, session: service.add_venue("harbour", "Mine", actor=actor),
    ],
    ids=["close", "request", "open", "transfer", "venue"],
)
def test_a_manager_changes_nothing_in_another_venue(harbour, change):
    session = harbour.open_session(5, "hana")
    with pytest.raises(Missing):
        change(harbour, MANAGER_OF_MAIN, session)
    change(harbour, MANAGER_OF_ALL, session)


def test_only_a_manager_of_all_venues_adds_one(service):
    assert service.add_venue("harbour", actor=MANAGER_OF_ALL).created
    with pytest.raises(Missing):
        service.add_venue("hill", actor=Actor.manager("boss", "hill"))
    renamed = service.add_venue("main", "The Old Mill", actor=MANAGER_OF_MAIN)
    assert (renamed.created, renamed.venue.name) == (False, "The Old Mill")


def test_a_waiter_never_changes_venue(harbour):
    with pytest.raises(ValidationError, match="never changes venue"):
        harbour.add_waiter("hana", "Hana", venue_id="main")
    with pytest.raises(IdTaken):
        harbour.add_waiter("hana", "Hana", actor=MANAGER_OF_MAIN)
    assert harbour.add_waiter("hana", "Hana Maria").waiter.venue_id == "harbour"


def test_unknown_venues_and_time_zones_are_refused(service):
    with pytest.raises(UnknownVenue):
        service.add_waiter("hana", "Hana", venue_id="nowhere")
    for time_zone in ("Middle/Earth", "../../etc/passwd", ""):
        with pytest.raises(ValidationError):
            service.add_venue("harbour", time_zone=time_zone)


def test_the_kitchen_cooks_orders_of_its_venue_and_does_nothing_else(harbour):
    session = harbour.open_session(5, "hana")
    order = harbour.place_order(session.id, [{"name": "Fish", "quantity": 1}])
    request = harbour.create_request(session.id, "water").request
    kitchen = Actor.kitchen("harbour")
    harbour.update_order_status(order.id, "Acknowledged", actor=Actor.waiter("hana"))
    for status in ("InProgress", "Complete", "InProgress", "Acknowledged", "InProgress"):
        assert harbour.update_order_status(order.id, status, actor=kitchen).changed
    with pytest.raises(Missing):
        harbour.update_order_status(order.id, "Complete", actor=Actor.kitchen("main"))
    with pytest.raises(Missing):
        harbour.update_request_status(request.id, "Acknowledged", actor=kitchen)
    with pytest.raises(Missing):
        harbour.close_session(session.id, actor=kitchen)
    with pytest.raises(Missing):
        harbour.place_order(session.id, [{"name": "Fish", "quantity": 1}], actor=kitchen)
    for actor in (Actor.display("harbour"),):
        with pytest.raises(Missing):
            harbour.update_order_status(order.id, "Complete", actor=actor)
