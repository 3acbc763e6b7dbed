"""From commit to signal: the two modes, and receivers that fail."""

import logging
import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from waiter_service import Actor, signals
from waiter_service.changes import Change


@pytest.fixture
def relay(make_service, service):
    """A process that relays, beside ``service``, which does not."""
    return make_service(relay=True)


def test_a_script_announces_to_its_own_receivers_and_leaves_the_rows(service, listener):
    service.update_request_status("req-1", "Acknowledged")
    assert (len(listener.heard), service.pending_count()) == (1, 1)


def test_receivers_get_only_committed_changes(service, listener):
    seen = []
    listener.refuse = lambda change: seen.append(
        service.update_request_status("req-1", change.new).version
    )
    service.update_request_status("req-1", "Acknowledged")
    assert seen == [2]


def test_the_sender_is_the_service(service, listen):
    listener = listen()
    signals.request_status_changed.disconnect(listener)
    signals.request_status_changed.connect(listener, sender=service)
    service.update_request_status("req-1", "Acknowledged")
    assert len(listener.heard) == 1


def test_a_process_that_relays_announces_its_own_changes_at_once(relay, listener):
    relay.update_request_status("req-1", "Acknowledged")
    assert (len(listener.heard), relay.pending_count()) == (1, 0)


def test_a_process_that_relays_announces_the_changes_of_a_script(service, relay, listen):
    service.update_request_status("req-1", "Acknowledged")
    service.update_request_status("req-1", "InProgress")
    listener = listen()
    assert relay.flush() == 2
    assert [change.version for change in listener.heard] == [2, 3]
    assert (relay.flush(), relay.pending_count()) == (0, 0)


def test_changes_a_script_left_are_announced_before_the_relays_next_change(service, relay, listen):
    service.update_request_status("req-1", "Acknowledged")
    listener = listen()
    relay.update_request_status("req-1", "InProgress")
    assert [change.version for change in listener.heard] == [2, 3]
    assert relay.pending_count() == 0


def test_a_script_that_flushes_removes_its_rows_without_announcing_twice(service, listener):
    service.update_request_status("req-1", "Acknowledged")
    service.flush()
    assert (len(listener.heard), service.pending_count()) == (1, 0)


def test_an_update_succeeds_even_if_a_receiver_raises(service, relay, listen, caplog):
    failing, other = listen(), listen()
    failing.refuse = lambda change: True
    for process in (service, relay):
        status = "Acknowledged" if process is service else "InProgress"
        assert process.update_request_status("req-1", status).changed
    assert [change.version for change in other.heard][:1] == [2]
    failures = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert {record.getMessage() for record in failures} == {"a receiver failed"}
    assert {vars(record)["fields"]["change"] for record in failures} <= {
        change.id for change in failing.heard + other.heard
    }


def test_a_change_that_fails_waits_and_later_changes_of_its_session_wait_behind_it(
    service, relay, listen
):
    listener = listen()
    listener.refuse = lambda change: change.session_id == "table-7"
    relay.update_request_status("req-1", "Acknowledged")
    relay.update_order_status("ord-1", "Acknowledged")
    relay.create_request("table-5", "water")
    assert [change.session_id for change in listener.heard] == ["table-5"]
    assert (relay.flush(), relay.pending_count()) == (0, 2)

    listener.refuse = lambda change: False
    assert relay.flush() == 2
    assert [change.KIND for change in listener.of("table-7")] == ["request_status", "order_status"]
    assert relay.pending_count() == 0


def test_a_retried_change_reaches_all_receivers_again_with_the_same_id(relay, listen):
    failing, other = listen(), listen()
    failing.refuse = lambda change: True
    relay.update_request_status("req-1", "Acknowledged")
    failing.refuse = lambda change: False
    relay.flush()
    assert len(other.heard) == 2
    assert set(other.ids) == set(failing.ids)
    assert len(set(other.ids)) == 1


def test_failures_are_counted(relay, listener):
    listener.refuse = lambda change: True
    relay.update_request_status("req-1", "Acknowledged")
    relay.flush()
    with relay.database.reading() as orm:
        attempts, claimed_by = orm.execute(text("SELECT attempts, claimed_by FROM outbox")).one()
    assert (attempts, claimed_by) == (2, None)


def test_a_change_that_keeps_failing_is_retried_less_often_and_other_tables_continue(
    service, make_service, relay, listen, clock
):
    service.update_request_status("req-1", "Acknowledged")
    service.update_request_status("req-1", "InProgress")
    tries = []
    listener = listen()

    def refuse(change):
        if change.session_id != "table-7":
            return False
        tries.append(clock.now)
        return True

    listener.refuse = refuse
    started = clock.now
    for second in range(100):
        relay.create_request("table-5", f"kind {second}")
        relay.flush()
        clock.advance(1)
    tried_after = [(when - started).total_seconds() for when in tries]
    assert tried_after == [0, 1, 2, 4, 8, 16, 32, 62, 92]
    assert len(listener.of("table-5")) == 100

    listener.refuse = lambda change: False
    # Another process also waits for the pause, even if their clocks differ.
    other = make_service(relay=True, clock=lambda: clock.now - timedelta(hours=1))
    assert other.flush() == 0
    clock.advance(30)
    assert other.flush() == 2
    assert [change.version for change in listener.of("table-7")] == [2, 3]


def test_other_changes_do_not_retry_a_failing_session(relay, listen):
    tries = []
    listener = listen()

    def refuse(change):
        if change.session_id != "table-7":
            return False
        tries.append(change)
        return True

    listener.refuse = refuse
    relay.update_request_status("req-1", "Acknowledged")
    for _ in range(5):
        relay.update_request_status("req-1", "Acknowledged")
        relay.create_request("table-5", "water")
        relay.update_order_status("ord-1", "Acknowledged")
    assert len(tries) == 1


def test_a_process_without_receivers_leaves_all_rows(service, relay):
    service.update_request_status("req-1", "Acknowledged")
    relay.update_request_status("req-1", "InProgress")
    assert (relay.flush(), service.flush(), relay.pending_count()) == (0, 0, 2)
    with relay.database.reading() as orm:
        assert orm.scalar(text("SELECT max(attempts) FROM outbox")) == 0


def test_kinds_without_receivers_stay_and_block_no_others(relay, listen):
    listener = listen(signals.order_status_changed)
    relay.update_request_status("req-1", "Acknowledged")
    relay.update_order_status("ord-1", "Acknowledged")
    assert [change.KIND for change in listener.heard] == ["order_status"]
    assert relay.pending_count() == 1
    everything = listen()
    assert relay.flush() == 1
    assert [change.KIND for change in everything.heard] == ["request_status"]


def test_a_change_made_by_a_receiver_is_announced_after_the_first(relay, listen):
    """The kitchen's printer acknowledges each order it gets."""
    listener = listen(signals.order_status_changed)

    def print_order(_sender, *, change):
        if change.new == "New":
            relay.update_order_status(change.order_id, "Acknowledged")

    with signals.order_status_changed.connected_to(print_order):
        order = relay.place_order("table-5", [{"name": "Tea", "quantity": 1}])
    assert [change.new.value for change in listener.heard if change.order_id == order.id] == [
        "New",
        "Acknowledged",
    ]


def test_a_change_succeeds_even_if_its_hook_raises(service, relay, listener, caplog):
    def hook(changes):
        raise RuntimeError("the hook is broken")

    relay.on_commit = hook
    assert relay.update_request_status("req-1", "Acknowledged").changed
    assert "not announced yet" in caplog.text
    assert relay.flush() == 1
    assert len(listener.heard) == 1


def test_the_hook_gets_the_changes_of_one_commit_and_none_for_a_no_op(service):
    calls: list[list[Change]] = []
    service.on_commit = calls.append
    service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    assert [[change.subject_id for change in call] for call in calls] == [["table-5", "table-7"]]


def test_a_row_that_cannot_be_read_blocks_only_its_session(service, relay, listen, caplog):
    service.update_request_status("req-1", "Acknowledged")
    with service.database.writing() as orm:
        orm.execute(text("UPDATE outbox SET payload = '{}'"))
    service.create_request("table-5", "water")
    listener = listen()
    assert relay.flush() == 1
    assert [change.session_id for change in listener.heard] == ["table-5"]
    assert "cannot be read" in caplog.text


def test_pending_count_and_oldest_age_describe_the_backlog(service, clock):
    assert (service.pending_count(), service.oldest_age_seconds()) == (0, 0.0)
    service.update_request_status("req-1", "Acknowledged")
    clock.advance(12.5)
    service.update_request_status("req-1", "InProgress")
    assert (service.pending_count(), service.oldest_age_seconds()) == (2, 12.5)


def test_a_long_backlog_is_announced_completely_and_in_order(service, relay, listen):
    for number in range(12):
        service.update_order_status("ord-1", "InProgress" if number % 2 == 0 else "Acknowledged")
        service.create_request("table-5", f"kind {number}")
    listener = listen()
    assert relay.flush(limit=5) == 24
    assert [change.version for change in listener.of("table-7")] == list(range(2, 14))
    assert relay.pending_count() == 0


def test_changes_by_guests_name_the_guest(relay, listener):
    relay.update_request_status("req-1", "Cancelled", actor=Actor.guest("table-7"))
    assert str(listener.heard[0].actor) == "guest:table-7"


def test_sessions_announced_in_parallel_keep_their_order_and_one_failure_stops_only_its_session(
    service, make_service, listen
):
    """Run the tasks like a process whose receivers wait for a broker."""
    relay = make_service()

    def at_once(tasks):
        threads = [threading.Thread(target=task) for task in tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

    for kind in ("bill", "menu", "candle"):
        for table in (5, 7, 9):
            service.create_request(f"table-{table}", kind, request_id=f"{kind}-{table}")
    listener = listen()
    listener.refuse = lambda change: change.session_id == "table-7"
    relay.start_relaying(at_once)

    assert relay.flush() == 6
    for table in (5, 9):
        heard = [change.request_id for change in listener.of(f"table-{table}")]
        assert heard == [f"bill-{table}", f"menu-{table}", f"candle-{table}"]
    assert relay.pending_count() == 3
