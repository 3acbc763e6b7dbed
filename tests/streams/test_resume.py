"""A client that reconnects resumes from its place, over real connections."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.support.shared_server import SharedServer
from tests.support.sse_client import SseClient
from tests.support.tables import Table
from tests.support.waiting import wait_until


def offsets(client: SseClient) -> list[int]:
    return [int(event.id.rpartition("-")[2]) for event in client.events if event.id is not None]


def listen_guest(table: Table, query: str = "", **kwargs: Any) -> SseClient:
    """Open a guest's stream with this query."""
    return table.house.listen(
        f"/sse/session/{table.session_id}{query}", "customer", table.session_id, **kwargs
    )


@pytest.mark.parametrize("way", ["header", "query"])
def test_client_that_was_away_gets_each_missed_event_once_and_in_order(
    table: Table, way: str
) -> None:
    first = table.listen_guest()
    table.move_order("InProgress")
    first.next("cache_refresh")
    place = first.last_event_id
    first.close()

    table.move_order("Complete", "Delivered")
    observer = table.listen_guest()
    table.move_order("Paid")
    observer.next("order_update")

    if way == "header":
        again = listen_guest(table, last_event_id=place)
    else:
        again = listen_guest(table, f"?lastEventId={place}")
    wait_until(lambda: len(again.of_type("order_update")) == 3)
    again.expect_nothing(0.5, "cache_refresh", "order_update")
    assert again.events[0].data["resumed"] is True
    assert [event.data["status"] for event in again.of_type("order_update")] == [
        "Complete",
        "Delivered",
        "Paid",
    ]
    first_missed = int(place.rpartition("-")[2]) + 1
    assert offsets(again) == list(range(first_missed, first_missed + len(offsets(again))))


def test_header_wins_over_the_query_for_the_place(table: Table) -> None:
    """A browser sends both: EventSource keeps its URL and sends its newest id in the header."""
    first = table.listen_guest()
    oldest = first.last_event_id
    table.move_order("InProgress", "Complete")
    wait_until(lambda: len(first.of_type("order_update")) == 2)
    after_one = first.of_type("order_update")[0].id
    again = listen_guest(table, f"?lastEventId={oldest}", last_event_id=after_one)
    assert again.next("order_update").data["status"] == "Complete"


def test_replay_longer_than_mailbox_and_page_is_complete(table: Table) -> None:
    first = table.listen_guest()
    place = first.last_event_id
    table.toggle_order(300)
    wait_until(lambda: len(first.of_type("order_update")) == 300, 20)

    again = listen_guest(table, last_event_id=place)
    wait_until(lambda: len(again.of_type("order_update")) == 300)
    table.toggle_order(1)
    wait_until(lambda: len(again.of_type("order_update")) == 301)
    versions = [event.data["version"] for event in again.of_type("order_update")]
    assert versions == list(range(2, 303))
    assert offsets(again) == sorted(set(offsets(again)))


def test_each_of_many_short_visits_resumes_where_the_last_one_ended(table: Table) -> None:
    place, seen = None, []
    observer = table.listen_guest()

    def have_come(number: int) -> bool:
        return len(observer.of_type("order_update")) == number

    for visit in range(10):
        client = listen_guest(table, last_event_id=place)
        table.toggle_order(3)
        wait_until(partial(have_come, 3 * (visit + 1)))
        # The visit ends at any point, and the next one brings the events that were not read.
        client.next("order_update")
        client.close()
        seen += [event.data["version"] for event in client.of_type("order_update")]
        place = client.last_event_id
    last = listen_guest(table, last_event_id=place)
    wait_until(lambda: len(seen) + len(last.of_type("order_update")) >= 30)
    seen += [event.data["version"] for event in last.of_type("order_update")]
    assert seen == list(range(2, 32))


@pytest.mark.parametrize(
    "place", ["0badcafe-3", "nonsense", "-", "x" * 500, "{epoch}-999999", "{epoch}--1"]
)
def test_unknown_place_causes_one_resync_before_live_events(table: Table, place: str) -> None:
    first = table.listen_guest()
    table.move_order("InProgress")
    first.next("cache_refresh")
    epoch = first.last_event_id.rpartition("-")[0]

    again = listen_guest(table, last_event_id=place.format(epoch=epoch))
    assert again.events[0].data["resumed"] is False
    assert again.events[0].id is None
    resync = again.next("cache_refresh")
    assert resync.data["affectedData"] == ["all"]
    assert resync.id == first.last_event_id
    again.expect_nothing(0.3)
    table.move_order("Complete")
    assert again.next("order_update").data["status"] == "Complete"


def test_place_of_another_channel_causes_a_resync(house: SharedServer, table: Table) -> None:
    """The ids of one channel are not valid on another and reveal nothing about it."""
    waiter = table.listen_waiter()
    table.move_order("InProgress")
    waiter.next("cache_refresh")
    guest = listen_guest(table, last_event_id=waiter.last_event_id)
    assert guest.next("cache_refresh").data["affectedData"] == ["all"]
    assert guest.of_type("order_update") == []


def test_new_client_gets_no_past_events(table: Table) -> None:
    first = table.listen_guest()
    table.move_order("InProgress")
    first.next("cache_refresh")
    fresh = table.listen_guest()
    assert fresh.events[0].data["resumed"] is False
    assert fresh.events[0].id == first.last_event_id
    fresh.expect_nothing(0.3)


def test_client_cut_off_before_its_first_event_misses_nothing(table: Table) -> None:
    first = table.listen_guest()
    first.close()
    observer = table.listen_waiter()
    table.move_order("InProgress")
    observer.next("order_update")
    again = listen_guest(table, last_event_id=first.last_event_id)
    assert again.next("order_update").data["status"] == "InProgress"


def test_trimmed_history_causes_one_resync(start_own: Any) -> None:
    server = start_own(SSE_HISTORY_EVENTS=5)
    first = server.listen_session("table-7")
    place = first.last_event_id
    for status in ("Acknowledged", "New") * 5:
        server.service.update_order_status("ord-1", status)
    wait_until(lambda: len(first.of_type("order_update")) == 10)
    first.next("cache_refresh")

    again = server.listen_session("table-7", last_event_id=place)
    assert again.events[0].data["resumed"] is False
    assert again.next("cache_refresh").data["affectedData"] == ["all"]
    again.expect_nothing(0.3)
    server.service.update_order_status("ord-1", "Acknowledged")
    assert again.next("order_update").data["version"] == 12
    assert len([e for e in again.events if e.data.get("affectedData") == ["all"]]) == 1
