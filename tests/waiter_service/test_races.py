"""Threads, processes and greenlets that act at the same time."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from waiter_service.errors import TableOccupied, TransferRefused, VersionConflict

RACERS = 8


def at_once(*functions):
    """Start all functions at the same moment; return their results or errors."""
    start = threading.Barrier(len(functions))

    def run(function):
        start.wait(10)
        try:
            return function()
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            return error

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(run, functions))


def test_of_waiters_who_read_the_same_version_exactly_one_wins(service):
    results = at_once(
        *[
            lambda: service.update_order_status("ord-1", "Acknowledged", expected_version=1)
            for _ in range(RACERS)
        ]
    )
    losers = [result for result in results if isinstance(result, VersionConflict)]
    assert len(losers) == RACERS - 1
    assert {loser.actual for loser in losers} == {2}


def test_without_a_version_one_makes_the_change_and_the_others_make_none(service, listener):
    results = at_once(
        *[lambda: service.update_order_status("ord-1", "Acknowledged") for _ in range(RACERS)]
    )
    assert sorted(result.changed for result in results) == [False] * (RACERS - 1) + [True]
    assert len(listener.heard) == 1


def test_a_guest_who_taps_many_times_makes_one_request(service):
    results = at_once(*[lambda: service.create_request("table-5", "water") for _ in range(RACERS)])
    assert len({result.request.id for result in results}) == 1
    assert sum(result.created for result in results) == 1


def test_two_parties_for_one_table_get_one_session(service):
    results = at_once(*[lambda: service.open_session(3, "anna") for _ in range(RACERS)])
    assert sum(isinstance(result, TableOccupied) for result in results) == RACERS - 1


def test_a_status_change_that_races_a_transfer_names_the_waiter_at_that_time(
    make_service, service, listen
):
    relay = make_service(relay=True)
    listener = listen()

    def serve():
        for number in range(10):
            relay.update_order_status("ord-1", ("InProgress", "Acknowledged")[number % 2])

    def hand_over():
        for number in range(10):
            relay.transfer_sessions(
                to_waiter_id=("ben", "anna")[number % 2], session_ids=["table-7"]
            )

    assert at_once(serve, hand_over) == [None, None]
    relay.flush()
    holder = "anna"
    for change in listener.of("table-7"):
        if change.KIND == "session_transfer":
            assert change.previous_waiter_id == holder
            holder = change.waiter_id
        assert change.waiter_id == holder


def test_crossing_transfers_do_not_deadlock(service):
    def swap(first, second):
        def run():
            for _ in range(5):
                service.transfer_sessions(to_waiter_id=first, session_ids=["table-5", "table-7"])
                service.transfer_sessions(to_waiter_id=second, session_ids=["table-7", "table-5"])

        return run

    assert at_once(swap("anna", "ben"), swap("ben", "anna")) == [None, None]


def test_a_transfer_that_races_a_close_is_all_or_nothing(service, queries):
    for _ in range(5):
        results = at_once(
            lambda: service.transfer_sessions(
                to_waiter_id="ben", session_ids=["table-5", "table-7"]
            ),
            lambda: service.close_session("table-7", force=True, reason="gone"),
        )
        refused = isinstance(results[0], TransferRefused)
        holders = {
            queries.session_snapshot(session_id).session.waiter_id
            for session_id in ("table-5", "table-7")
        }
        assert holders == ({"anna"} if refused else {"ben"})
        with service.database.writing() as orm:
            orm.execute(text("UPDATE sessions SET closed_at = NULL, waiter_id = 'anna'"))
            orm.execute(text("DELETE FROM audit"))


@pytest.mark.parametrize("relays", [1, 3])
def test_changes_of_several_processes_are_announced_once_each_and_in_order(
    service, make_service, listen, relays
):
    processes = [make_service(relay=True) for _ in range(relays)]
    listener = listen()
    work = []
    for number in range(6):
        relay = processes[number % relays]
        work.append(
            lambda relay=relay, number=number: [
                relay.create_request(f"table-{(5, 7, 9)[step % 3]}", f"{number} {step}")
                for step in range(8)
            ]
        )
    results = at_once(*work)
    assert not [result for result in results if isinstance(result, Exception)]
    # Rows that both processes left to each other at the same moment.
    for relay in processes:
        relay.flush()
    assert service.pending_count() == 0
    assert Counter(listener.ids) == Counter(set(listener.ids))
    assert len(listener.heard) == 48
    with service.database.reading() as orm:
        for session_id in ("table-5", "table-7", "table-9"):
            committed = orm.scalars(
                text(
                    "SELECT subject_id FROM audit WHERE session_id = :id"
                    " AND subject_kind = 'request' AND subject_id <> 'req-1' ORDER BY id"
                ),
                {"id": session_id},
            ).all()
            assert [change.request_id for change in listener.of(session_id)] == committed


OTHER_PROCESS = """
import sys
from waiter_service import Database, WaiterService
service = WaiterService(Database(sys.argv[1]))
for _ in range(10):
    service.update_order_status("ord-1", "InProgress")
    service.update_order_status("ord-1", "Acknowledged")
service.database.dispose()
"""


def test_a_relay_announces_all_changes_of_another_process(
    service, make_service, listen, run_python, database_url
):
    relay = make_service(relay=True)
    listener = listen()
    processes = [run_python(OTHER_PROCESS, database_url) for _ in range(2)]
    while any(process.poll() is None for process in processes):
        relay.flush()
    for process in processes:
        assert process.communicate() == ("", "")
    relay.flush()
    versions = [change.version for change in listener.heard]
    assert versions == list(range(2, len(versions) + 2))
    assert relay.pending_count() == 0


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from waiter_service import Database, WaiterService, signals
service = WaiterService(Database(sys.argv[1]))
service.start_relaying()
heard = []
def receiver(sender, change):
    gevent.sleep(0.001)
    heard.append((change.session_id, change.id))
for signal in signals.BY_KIND.values():
    signal.connect(receiver)
def guest(number):
    for step in range(5):
        service.create_request(f"table-{(5, 7, 9)[number % 3]}", f"{number} {step}")
with gevent.Timeout(30):
    gevent.joinall([gevent.spawn(guest, number) for number in range(12)], raise_error=True)
print(len(heard), len(set(heard)), service.pending_count())
service.stop_relaying()
service.database.dispose()
"""


def test_greenlets_with_receivers_that_switch_do_not_disturb_each_other(
    service, run_python, database_url
):
    output, complaints = run_python(GREENLETS, database_url).communicate(timeout=60)
    assert output.split() == ["60", "60", "0"], complaints
