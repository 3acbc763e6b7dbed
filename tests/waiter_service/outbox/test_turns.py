"""Venues take turns: a flood in one delays another's change by at most one round."""

from itertools import cycle

import pytest
from sqlalchemy import delete, insert, select

from tests.waiter_service.test_statements import counted
from waiter_service.store.models import OutboxRow

BATCH = 100
FLOOD = 5_000
TABLES = [("main", "table-5"), ("main", "table-7"), ("main", "table-9")]


@pytest.fixture
def two_venues(service):
    """The floor of ``main``, and a second venue ``roma`` with its own table 7.

    The service leaves its changes to the relay and calls no receiver itself.
    """
    service.on_commit = lambda changes: None
    service.add_venue("roma")
    service.add_waiter("carla", "Carla", venue_id="roma")
    service.open_session(7, "carla", session_id="roma-7")
    clear(service)
    return service


@pytest.fixture
def many_tables(two_venues):
    for table in range(100, 250):
        two_venues.open_session(table, "anna", session_id=f"many-{table}")
    clear(two_venues)
    return two_venues


def clear(service):
    with service.database.writing() as orm:
        orm.execute(delete(OutboxRow))


def flood(service, subjects, rows):
    """Leave ``rows`` pending changes, of each subject in turn: pairs of a venue and a session."""
    service.create_request("table-9", "bill")
    with service.database.writing() as orm:
        made = orm.execute(select(OutboxRow.kind, OutboxRow.payload, OutboxRow.created_at)).one()
    clear(service)
    copies = [
        {
            "id": f"copy-{number}",
            "venue_id": venue_id,
            "subject_id": session_id,
            "kind": made.kind,
            "payload": {**made.payload, "venue_id": venue_id, "session_id": session_id},
            "created_at": made.created_at,
            "renewals": 0,
            "attempts": 0,
        }
        for number, (venue_id, session_id) in zip(range(rows), cycle(subjects), strict=False)
    ]
    with service.database.writing() as orm:
        orm.execute(insert(OutboxRow), copies)


def of_main_before(listener, venue_id):
    """Return how many changes of ``main`` were announced before the first of ``venue_id``."""
    venues = [change.venue_id for change in listener.heard]
    return venues[: venues.index(venue_id)].count("main")


def test_a_change_behind_another_venues_backlog_comes_within_the_next_round(
    two_venues, make_service, listen
):
    relay, listener = make_service(relay=True), listen()
    flood(two_venues, TABLES, FLOOD)
    two_venues.create_request("roma-7", "water")
    assert relay.flush() == FLOOD + 1
    assert of_main_before(listener, "roma") <= BATCH
    assert relay.pending_count() == 0


@pytest.mark.parametrize("committed_by", ["the relay", "another process"])
def test_a_change_made_while_a_backlog_is_announced_comes_within_the_next_round(
    two_venues, make_service, listen, committed_by
):
    relay, listener = make_service(relay=True), listen()
    process = relay if committed_by == "the relay" else two_venues
    flood(two_venues, TABLES, FLOOD // 5)
    made_after = 250

    def make_it(change):
        if len(listener.heard) == made_after:
            process.create_request("roma-7", "water")

    listener.refuse = make_it
    assert relay.flush() == FLOOD // 5 + 1
    assert of_main_before(listener, "roma") <= made_after + 2 * BATCH


def test_commits_of_one_venue_do_not_delay_pending_changes_of_others(
    many_tables, make_service, listen
):
    """A change of roma waits in the outbox while this process commits changes of main."""
    relay, listener = make_service(relay=True), listen()
    relay.on_commit = lambda changes: None
    many_tables.create_request("roma-7", "water")
    tables = iter(range(100, 250))

    def commit_another(change):
        if change.venue_id == "main" and (table := next(tables, None)):
            relay.create_request(f"many-{table}", "water")

    listener.refuse = commit_another
    relay.create_request("table-9", "bill")
    relay.flush()
    assert of_main_before(listener, "roma") <= BATCH


def test_own_changes_are_announced_for_each_venue_in_turn(many_tables, make_service, listen):
    """They accumulate while the broker is slow."""
    relay, listener = make_service(relay=True), listen()
    relay.on_commit = lambda changes: None
    relay.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    relay.create_request("roma-7", "water")
    assert relay.flush() == 152 + 1
    assert of_main_before(listener, "roma") <= 1


def test_each_of_many_venues_has_its_turn_and_claims_stay_few(two_venues, make_service, listen):
    relay, listener = make_service(relay=True), listen()
    venues = [f"venue-{number}" for number in range(250)]
    flood(two_venues, [(venue_id, f"{venue_id}-7") for venue_id in venues], 750)
    with counted(relay) as statements:
        assert relay.flush() == 750
    claims = sum(statement.startswith("UPDATE outbox") for statement in statements)
    assert claims <= 3 * 3
    heard = [change.venue_id for change in listener.heard]
    assert set(heard[: len(venues) + BATCH]) == set(venues)


def test_a_single_venue_costs_no_statement_more(service, make_service, listen):
    relay = make_service(relay=True)
    flood(service, TABLES, 2 * BATCH + 50)
    listen()
    with counted(relay) as statements:
        assert relay.flush() == 2 * BATCH + 50
    look, batch, last = ["SELECT"] * 2, ["SELECT", "UPDATE", "DELETE"], ["SELECT"]
    assert [statement.split()[0] for statement in statements if "outbox" in statement] == [
        *look,
        *[*batch, "DELETE"] * 2,
        *batch,
        *last,
    ]
