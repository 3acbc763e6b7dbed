"""Two venues on one real server: each hears of its own floor, and of nothing else."""

from __future__ import annotations

import pytest

from tests.support.service_server import ServiceServer
from tests.support.sse_client import SseClient, SseRefused
from tests.support.waiting import wait_until


@pytest.fixture
def two_venues(start_server) -> ServiceServer:
    """A server that is told of a second venue while it serves."""
    server: ServiceServer = start_server()
    server.service.add_venue("north", "North")
    server.service.add_waiter("carla", "Carla", venue_id="north")
    server.service.open_session(7, "carla", session_id="north-7")
    return server


def of_north(server: ServiceServer, path: str, role: str, subject: str) -> SseClient:
    token = server.token(role, subject, venue="north")
    client = SseClient(server.url + path, token=token)
    client.next("connection")
    return client


def test_each_venue_hears_of_its_own_table_7(two_venues: ServiceServer) -> None:
    server = two_venues
    main_floor = server.listen_venue("floor")
    streams = [
        of_north(server, "/sse/floor/north", "display", "north"),
        of_north(server, "/sse/kitchen/north", "kitchen", "north"),
        of_north(server, "/sse/waiter/carla", "waiter", "carla"),
        of_north(server, "/sse/session/north-7", "customer", "north-7"),
    ]
    order = server.service.place_order("north-7", [{"name": "Tea", "quantity": 1}])
    server.service.update_order_status("ord-1", "Acknowledged")

    for stream in streams:
        assert stream.next("order_update").data["orderId"] == order.id
    told = main_floor.next("order_update").data
    assert (told["orderId"], told["sessionId"]) == ("ord-1", "table-7")
    for stream in (main_floor, *streams):
        assert len({each.data["sessionId"] for each in stream.of_type("order_update")}) == 1
        stream.close()


@pytest.mark.parametrize(
    ("role", "subject", "path"),
    [
        ("waiter", "carla", "/sse/waiter/carla"),
        ("manager", "mia", "/sse/waiter/carla"),
        ("manager", "mia", "/sse/session/north-7"),
        ("manager", "mia", "/sse/floor/north"),
        ("kitchen", "north", "/sse/kitchen/north"),
    ],
)
def test_token_that_names_no_venue_opens_nothing_of_north(
    two_venues: ServiceServer, role: str, subject: str, path: str
) -> None:
    # The token of a display of north is reason enough for the process to look for venues.
    of_north(two_venues, "/sse/floor/north", "display", "north").close()
    with pytest.raises(SseRefused) as refused:
        SseClient(two_venues.url + path, token=two_venues.token(role, subject))
    assert refused.value.status == 403


def test_replay_from_another_venues_place_shows_nothing_of_that_venue(
    two_venues: ServiceServer,
) -> None:
    server = two_venues
    north = of_north(server, "/sse/floor/north", "display", "north")
    for _ in range(3):
        server.service.place_order("north-7", [{"name": "Tea", "quantity": 1}])
    places = [north.next("order_update").id for _ in range(3)]
    north.close()

    main_floor = server.listen_venue("floor", last_event_id=places[-1])
    server.service.update_order_status("ord-1", "Acknowledged")
    assert main_floor.next("order_update").data["orderId"] == "ord-1"
    resyncs = main_floor.of_type("cache_refresh")
    assert [each.data["affectedData"] for each in resyncs] == [["all"]]
    assert "north" not in "".join(each.text for each in main_floor.events)
    main_floor.close()


def test_guest_who_came_before_the_server_knew_the_venue_comes_back_to_the_right_one(
    start_server,
) -> None:
    server = start_server()
    guest = server.listen_session("north-7")
    place = guest.last_event_id
    server.service.add_venue("north")
    server.service.add_waiter("carla", "Carla", venue_id="north")
    server.service.open_session(7, "carla", session_id="north-7")
    guest.wait_ended()
    assert guest.events[-1].data["reconnect"] is True

    again = server.listen_session("north-7", last_event_id=place)
    assert again.next("cache_refresh").data["affectedData"] == ["all"]
    server.service.place_order("north-7", [{"name": "Tea", "quantity": 1}])
    again.next("order_update")
    wait_until(lambda: server.open_streams() == 1)
