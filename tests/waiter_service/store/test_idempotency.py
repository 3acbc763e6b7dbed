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


def test_the_same_key_of_another_actor_is_another_key(store):
    store.begin("k", GUEST, *CALL)
    assert store.begin("k", Actor.waiter("table-7"), *CALL) is None


@pytest.mark.parametrize("other", [("POST /api/elsewhere", "ab12"), (CALL[0], "cd34")])
def test_the_same_key_for_another_call_is_refused(store, other):
    store.begin("k", GUEST, *CALL)
    with pytest.raises(IdempotencyKeyReused):
        store.begin("k", GUEST, *other)


def test_a_retry_during_the_first_call_is_refused_as_busy(store):
    store.begin("k", GUEST, *CALL)
    with pytest.raises(IdempotencyKeyBusy):
        store.begin("k", GUEST, *CALL)


def test_a_call_whose_process_died_can_be_repeated(store, clock):
    store.begin("k", GUEST, *CALL)
    clock.advance(61)
    assert store.begin("k", GUEST, *CALL) is None


def test_a_call_begun_while_a_clock_was_ahead_does_not_hold_its_key(store, clock):
    clock.advance(3600)
    store.begin("k", GUEST, *CALL)
    clock.advance(-3600)
    assert store.begin("k", GUEST, *CALL) is None


def test_a_failed_call_frees_its_key(store):
    store.begin("k", GUEST, *CALL)
    store.abandon("k", GUEST)
    assert store.begin("k", GUEST, "POST /api/elsewhere", "cd34") is None
    store.finish("k", GUEST, 200, "")
    store.abandon("k", GUEST)
    assert store.begin("k", GUEST, "POST /api/elsewhere", "cd34") == StoredAnswer(200, "")


def test_a_key_can_be_used_again_a_day_later(store, clock):
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


def test_of_several_calls_at_once_one_proceeds(store):
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


def test_a_path_with_unstorable_text_keeps_its_key_too(store):
    call = ("POST /api/sessions/\0\ud800/" + "x" * 9999, "ab12")
    assert store.begin("k", GUEST, *call) is None
    with pytest.raises(IdempotencyKeyBusy):
        store.begin("k", GUEST, *call)


def test_only_the_newest_keys_of_an_actor_are_kept(store, database, clock, monkeypatch):
    """One actor must not fill the database."""
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


def test_a_call_in_progress_keeps_its_key_however_many_follow(store, clock, monkeypatch):
    monkeypatch.setattr(idempotency, "MAX_KEYS_PER_ACTOR", 10)
    store.begin("slow", GUEST, *CALL)
    for number in range(200):
        clock.advance(0.1)
        store.begin(f"k-{number}", GUEST, *CALL)
        store.finish(f"k-{number}", GUEST, 201, "{}")
    with pytest.raises(IdempotencyKeyBusy):
        store.begin("slow", GUEST, *CALL)
