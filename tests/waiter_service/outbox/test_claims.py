"""Several processes announce at the same time, and may die at any moment."""

import signal
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.support.pgbouncer import PgBouncer
from tests.support.waiting import wait_until
from waiter_service import Database, WaiterService
from waiter_service.errors import DatabaseUnavailable
from waiter_service.outbox import claims as claims_of
from waiter_service.outbox.standstill import RENEW_SECONDS, VOID_SECONDS

KILLED_WHILE_ANNOUNCING = """
import os, signal, sys
from waiter_service import Database, WaiterService, signals

def die(sender, change):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "in the receiver":
    signals.request_status_changed.connect(die)
service = WaiterService(Database(sys.argv[1]))
service.start_relaying()
if sys.argv[2] == "before announcing":
    signals.request_status_changed.connect(lambda sender, change: None, weak=False)
    service.on_commit = lambda changes: die(service, changes)
service.update_request_status("req-1", "Acknowledged")
"""


on_postgresql = pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


def claims(service):
    with service.database.reading() as orm:
        return orm.execute(text("SELECT claimed_by, renewals FROM outbox")).all()


@pytest.mark.parametrize("moment", ["before announcing", "in the receiver"])
def test_changes_a_killed_process_did_not_announce_come_once_after_the_restart(
    service, make_service, listen, run_python, database_url, moment
):
    process = run_python(KILLED_WHILE_ANNOUNCING, database_url, moment)
    _, complaints = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL, complaints
    assert service.pending_count() == 1

    listener = listen()
    restarted = make_service(monotonic=time.monotonic)
    restarted.start_relaying(is_alone=True)
    assert restarted.flush() == 1
    assert [change.version for change in listener.heard] == [2]
    assert (restarted.flush(), restarted.pending_count()) == (0, 0)


@pytest.mark.parametrize("its_clock", ["", "+1h", "-1h"])
def test_others_soon_announce_what_a_killed_process_had_claimed(
    service, make_service, listen, run_python, database_url, its_clock
):
    """Meanwhile a guest looks at an old screen."""
    other = make_service(relay=True, monotonic=time.monotonic)
    listener = listen()
    process = run_python(KILLED_WHILE_ANNOUNCING, database_url, "in the receiver", clock=its_clock)
    _, complaints = process.communicate(timeout=30)
    # faketime reports the signal in its own words.
    assert process.returncode == -signal.SIGKILL or "Killed" in complaints, complaints
    assert other.flush() == 0

    wait_until(lambda: other.flush() == 1, VOID_SECONDS + 1)

    assert [change.version for change in listener.of("table-7")] == [2]


@on_postgresql
def test_claims_are_taken_over_behind_a_transaction_pooler(
    service, make_service, listen, run_python, postgres_server
):
    name = service.database.url.database
    with PgBouncer(postgres_server) as pooler:
        other = WaiterService(Database(pooler.url(name)))
        other.start_relaying()
        listener = listen()
        process = run_python(KILLED_WHILE_ANNOUNCING, pooler.url(name), "in the receiver")
        process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL

        wait_until(lambda: other.flush() == 1, VOID_SECONDS + 1)

        # More often than psycopg runs a statement before it prepares it.
        for status in ("InProgress", "Acknowledged") * 5:
            assert other.update_request_status("req-1", status).changed
        assert [change.version for change in listener.of("table-7")] == list(range(2, 13))
        other.stop_relaying()
        other.database.dispose()


def test_unchanged_claims_are_taken_over_even_if_clocks_differ(
    service, make_service, listen, clock
):
    first = make_service(relay=True)
    second = make_service(relay=True, clock=lambda: clock.now - timedelta(hours=1))
    listener = listen()
    first.on_commit = lambda changes: None
    first.update_request_status("req-1", "Acknowledged")
    assert (second.flush(), listener.heard) == (0, [])
    clock.advance(VOID_SECONDS - 0.1)
    assert (second.flush(), listener.heard) == (0, [])
    clock.advance(0.1)
    assert second.flush() == 1
    # The late process does not announce it again.
    assert (first.flush(), len(listener.heard)) == (0, 1)


def test_a_slow_process_that_makes_progress_keeps_its_claims(service, make_service, listen, clock):
    """Each table takes a while; all together take longer than other processes wait."""
    for table in (5, 7, 9):
        service.create_request(f"table-{table}", "bill")
        service.create_request(f"table-{table}", "candle")
    first, second = make_service(relay=True), make_service(relay=True)
    listener = listen()

    def take_a_while(change):
        assert second.flush() == 0
        clock.advance(VOID_SECONDS * 0.6)
        assert second.flush() == 0

    listener.refuse = take_a_while
    assert first.flush() == 6
    assert len(set(listener.ids)) == len(listener.heard) == 6


def test_a_process_that_was_suspended_leaves_rows_that_others_have_taken(
    service, make_service, listen, clock
):
    for kind in ("bill", "menu", "candle"):
        service.create_request("table-5", kind)
    first, second = make_service(relay=True), make_service(relay=True)
    listener = listen()
    second_did: list[int] = []

    def be_stopped(change):
        if not second_did:
            second_did.append(second.flush())
            clock.advance(VOID_SECONDS)
            second_did.append(second.flush())

    listener.refuse = be_stopped
    # The change it was announcing is announced twice, with the same id.
    assert first.flush() == 1
    assert second_did == [0, 3]
    assert len(listener.heard) == 4
    assert len(set(listener.ids)) == 3
    assert service.pending_count() == 0


def test_a_claim_whose_commit_got_no_answer_is_released_by_its_own_process(
    service, make_service, listen, clock
):
    """The claim may have succeeded. No other process frees it while this one lives."""
    relay = make_service(relay=True)
    service.create_request("table-5", "bill")
    listener = listen()
    with service.database.writing() as orm:
        orm.execute(text("UPDATE outbox SET claimed_by = :us"), {"us": relay._outbox._claimant})
    for expected in (0, 1):
        relay.create_request("table-9", f"kind {expected}")
        assert relay.flush() == expected
        clock.advance(VOID_SECONDS)
    assert len(listener.of("table-5")) == 1


def test_claims_are_renewed_only_while_announcing_takes_long(service, make_service, listen, clock):
    for kind in ("bill", "menu", "candle"):
        service.create_request("table-5", kind)
    listener = listen()
    renewals = []

    def watch(change):
        renewals.append(max(claim.renewals for claim in claims(service)))
        clock.advance(RENEW_SECONDS * 0.6)

    listener.refuse = watch
    make_service(relay=True).flush()
    assert renewals == [0, 0, 1]


def test_an_orderly_stop_releases_claims_at_once(service, make_service, listen):
    first, second = make_service(relay=True), make_service(relay=True)
    listener = listen()
    first.on_commit = lambda changes: None
    first.update_request_status("req-1", "Acknowledged")
    first.stop_relaying()
    assert not first.is_relay
    assert (second.flush(), len(listener.heard)) == (1, 1)


def test_others_do_not_touch_a_session_that_one_process_is_announcing(
    service, make_service, listen
):
    """Otherwise the second process would overtake the first."""
    first, second = make_service(relay=True), make_service(relay=True)
    listener = listen()
    at_it, go_on = threading.Event(), threading.Event()

    def hold(change):
        if change.version == 2 and not at_it.is_set():
            at_it.set()
            assert go_on.wait(10)

    listener.refuse = hold
    slow = threading.Thread(
        target=first.update_request_status, args=("req-1", "Acknowledged"), daemon=True
    )
    slow.start()
    assert at_it.wait(10)
    second.update_request_status("req-1", "InProgress")
    second.create_request("table-5", "water")
    assert second.flush() == 0
    assert [change.session_id for change in listener.heard] == ["table-5"]
    go_on.set()
    slow.join(10)
    # The first process announces the rows behind its own, without waiting for a timer.
    assert [change.version for change in listener.of("table-7")] == [2, 3]
    assert service.pending_count() == 0


def test_a_greenlet_killed_while_announcing_releases_its_rows(service, make_service, listen):
    class EndedError(BaseException):
        """Represents gevent.GreenletExit and gevent.Timeout, which are not Exceptions."""

    relay = make_service(relay=True)
    for kind in ("bill", "menu"):
        service.create_request("table-5", kind)
    listener = listen()

    def end(change):
        raise EndedError

    listener.refuse = end
    with pytest.raises(EndedError):
        relay.flush()
    assert {claim.claimed_by for claim in claims(service)} == {None}
    listener.refuse = lambda change: False
    assert relay.flush() == 2


def test_a_commit_is_announced_even_if_its_announcing_greenlet_is_killed(
    service, make_service, listen, clock
):
    class EndedError(BaseException):
        pass

    relay = make_service(relay=True)
    listener = listen()

    def end(changes):
        raise EndedError

    relay.on_commit = end
    with pytest.raises(EndedError):
        relay.update_request_status("req-1", "Acknowledged")
    assert relay.flush() == 1
    assert len(listener.heard) == 1


def test_two_processes_announce_a_backlog_together_each_change_once_and_in_order(
    service, make_service, listen
):
    tables = range(20, 30)
    for table in tables:
        service.open_session(table, "anna", session_id=f"t-{table}")
        for number in range(4):
            service.create_request(f"t-{table}", f"kind {number}")
    listener = listen()
    relays = [make_service(relay=True) for _ in range(3)]
    threads = [threading.Thread(target=relay.flush, args=(7,)) for relay in relays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    relays[0].flush()
    assert len(listener.heard) == len(set(listener.ids)) == 50
    for table in tables:
        assert [change.KIND for change in listener.of(f"t-{table}")] == [
            "session_opened",
            *["request_status"] * 4,
        ]


def lose(database, patch):
    """Make ``database`` unavailable from now on."""

    def gone():
        raise DatabaseUnavailable("gone")

    patch.setattr(database, "writing", gone)
    patch.setattr(database, "committing", gone)


@pytest.mark.parametrize("kinds", [["bill"], ["bill", "menu", "water"]])
def test_a_database_lost_while_announcing_blocks_nothing_once_it_is_back(
    service, make_service, listen, kinds, monkeypatch
):
    """Otherwise its claims would stand, and the table with them, while the process lives."""
    relay = make_service(relay=True)
    for kind in kinds:
        service.create_request("table-5", kind)
    service.create_request("table-9", "water")
    listener = listen()

    with monkeypatch.context() as patch:
        listener.refuse = lambda change: lose(relay.database, patch)
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                relay.flush()
        assert len(listener.heard) == len(kinds) + 1, "each is announced once, not with every flush"
    listener.refuse = lambda change: False
    relay.create_request("table-5", "candle")

    assert [change.session_id for change in listener.heard] == [
        *["table-5"] * len(kinds),
        "table-9",
        "table-5",
    ]
    assert len(set(listener.ids)) == len(listener.heard)
    assert relay.pending_count() == 0


def test_a_database_lost_while_a_receiver_fails_blocks_nothing_once_it_is_back(
    service, make_service, listen, monkeypatch
):
    relay = make_service(relay=True)
    service.create_request("table-5", "bill")
    service.create_request("table-5", "menu")
    listener = listen()

    with monkeypatch.context() as patch:

        def lose_the_database_and_fail(change):
            lose(relay.database, patch)
            return True

        listener.refuse = lose_the_database_and_fail
        with pytest.raises(DatabaseUnavailable):
            relay.flush()
    listener.refuse = lambda change: False

    assert relay.flush() == 2
    assert relay.pending_count() == 0


def test_a_database_lost_between_commit_and_announcement_fails_no_change(
    service, make_service, listen, caplog, monkeypatch
):
    relay = make_service(relay=True)
    listener = listen()
    with monkeypatch.context() as patch:
        listener.refuse = lambda change: lose(relay.database, patch)
        assert relay.update_request_status("req-1", "Acknowledged").changed
    assert "not announced yet" in caplog.text
    listener.refuse = lambda change: False
    # The receivers took it, so it is not announced again; only its row is removed.
    relay.flush()
    assert (len(listener.heard), relay.pending_count()) == (1, 0)


def test_an_orderly_stop_succeeds_without_the_database(make_service, caplog, monkeypatch):
    relay = make_service(relay=True)
    with monkeypatch.context() as patch:
        lose(relay.database, patch)
        relay.stop_relaying()
    assert not relay.is_relay
    assert "could not be given back" in caplog.text


@on_postgresql
def test_a_long_backlog_of_one_session_is_claimed_as_fast_as_a_short_one(service, make_service):
    """PostgreSQL has no statistics of new rows yet, and must not need them.

    Otherwise, after half a minute without Redis, a claim would outlast what others wait.
    """
    service.create_request("table-5", "water")
    with service.database.writing() as orm:
        orm.execute(
            text(
                "INSERT INTO outbox (id, session_id, kind, payload, created_at, attempts)"
                " SELECT 'copy-' || number, session_id, kind, payload, created_at, 0"
                " FROM outbox, generate_series(1, 3000) AS number WHERE session_id = 'table-5'"
            )
        )
        # It takes 12 ms. On a busy machine it may take a hundred
        # times as long; comparing each row with each other takes 5 s on an idle one.
        orm.execute(text("SET LOCAL statement_timeout = '2s'"))
        claimed = claims_of.claim(
            orm, claimant="one", held_at=0.0, kinds=["request_status"], limit=100
        )
    assert len(claimed) == 100
