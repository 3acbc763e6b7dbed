import threading

import pytest
from sqlalchemy import select

from waiter_service import Actor, IdempotencyStore, StoredAnswer
from waiter_service.errors import IdempotencyKeyBusy, IdempotencyKeyReused, ValidationError
from waiter_service.store import idempotency
from waiter_service.store.models import IdempotencyRow

GUEST = Actor.guest("table-7")
CALL = ("POST /api/sessions/table-7/requests", "ab12")


@pytest.fixture
def store(database, clock):
    return IdempotencyStore(database, clock=clock)


def test_a_retry_gets_the_first_answer(store):
    assert store.begin("k", GUEST, *CALL) is None
    store.finish("k", GUEST, 201, '{"id":"req-1"}')
    assert store.begin("k", GUEST, *CALL) == StoredAnswer(201, '{"id":"req-1"}')


def test_the_same_key_of_somebody_else_is_another_key(store):
    store.begin("k", GUEST, *CALL)
    assert store.begin("k", Actor.waiter("table-7"), *CALL) is None


@pytest.mark.parametrize("other", [("POST /api/elsewhere", "ab12"), (CALL[0], "cd34")])
def test_the_same_key_for_another_call_is_refused(store, other):
    store.begin("k", GUEST, *CALL)
    with pytest.raises(IdempotencyKeyReused):
        store.begin("k", GUEST, *other)


def test_a_retry_while_the_first_is_under_way_is_told_to_wait(store):
    store.begin("k", GUEST, *CALL)
    with pytest.raises(IdempotencyKeyBusy):
        store.begin("k", GUEST, *CALL)


def test_a_call_cut_short_with_its_process_may_be_done_again(store, clock):
    store.begin("k", GUEST, *CALL)
    clock.advance(61)
    assert store.begin("k", GUEST, *CALL) is None


def test_a_call_begun_while_a_clock_was_ahead_holds_its_key_no_longer(store, clock):
    clock.advance(3600)
    store.begin("k", GUEST, *CALL)
    clock.advance(-3600)
    assert store.begin("k", GUEST, *CALL) is None


def test_a_call_that_came_to_nothing_frees_its_key(store):
    store.begin("k", GUEST, *CALL)
    store.abandon("k", GUEST)
    assert store.begin("k", GUEST, "POST /api/elsewhere", "cd34") is None
    store.finish("k", GUEST, 200, "")
    store.abandon("k", GUEST)
    assert store.begin("k", GUEST, "POST /api/elsewhere", "cd34") == StoredAnswer(200, "")


def test_a_day_later_the_key_is_new(store, clock):
    store.begin("k", GUEST, *CALL)
    store.finish("k", GUEST, 201, "{}")
    clock.advance(24 * 3600)
    assert store.begin("k", GUEST, *CALL) is None
    clock.advance(24 * 3600)
    store.prune()
    assert store.begin("k", GUEST, "POST /api/elsewhere", "cd34") is None


@pytest.mark.parametrize("key", ["", "x" * 256, "\0"])
def test_a_key_must_be_plain_text(store, key):
    with pytest.raises(ValidationError):
        store.begin(key, GUEST, *CALL)


def test_of_two_at_once_one_does_it(store):
    results = []

    def call():
        try:
            results.append(store.begin("k", GUEST, *CALL))
        except IdempotencyKeyBusy as error:
            results.append(error)

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results.count(None) == 1
    assert len(results) == 6


def test_a_path_that_names_nothing_is_kept_all_the_same(store):
    call = ("POST /api/sessions/\0\ud800/" + "x" * 9999, "ab12")
    assert store.begin("k", GUEST, *call) is None
    with pytest.raises(IdempotencyKeyBusy):
        store.begin("k", GUEST, *call)


def test_an_actor_keeps_its_newest_keys_alone(store, database, clock, monkeypatch):
    """One bearer must not fill the database."""
    monkeypatch.setattr(idempotency, "MAX_KEYS_PER_ACTOR", 50)
    store.begin("theirs", Actor.waiter("anna"), *CALL)
    store.finish("theirs", Actor.waiter("anna"), 201, "{}")
    for number in range(500):
        clock.advance(0.1)
        store.begin(f"k-{number}", GUEST, *CALL)
        store.finish(f"k-{number}", GUEST, 201, "{}")

    with database.reading() as orm:
        kept = orm.scalars(select(IdempotencyRow.key).where(IdempotencyRow.actor == str(GUEST)))
        numbers = {int(key.partition("-")[2]) for key in kept}
    assert set(range(450, 500)) <= numbers
    assert len(numbers) < 50 + 2 * 64
    assert store.begin("theirs", Actor.waiter("anna"), *CALL) == StoredAnswer(201, "{}")


def test_a_call_under_way_keeps_its_key_however_many_follow(store, clock, monkeypatch):
    monkeypatch.setattr(idempotency, "MAX_KEYS_PER_ACTOR", 10)
    store.begin("slow", GUEST, *CALL)
    for number in range(200):
        clock.advance(0.1)
        store.begin(f"k-{number}", GUEST, *CALL)
        store.finish(f"k-{number}", GUEST, 201, "{}")
    with pytest.raises(IdempotencyKeyBusy):
        store.begin("slow", GUEST, *CALL)
