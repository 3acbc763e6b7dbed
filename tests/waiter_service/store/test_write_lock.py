"""SQLite's write lock, held by another process."""

import sqlite3
import threading
from contextlib import closing

import pytest
from sqlalchemy import text

from waiter_service import WaiterService
from waiter_service.errors import DatabaseUnavailable
from waiter_service.store import write_lock

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def other_process(database):
    """A connection like another process's: its locks are not ours."""
    with closing(sqlite3.connect(database.sqlite_path, isolation_level=None)) as connection:
        yield connection


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import sqlite3, sys, gevent
from waiter_service import Database, FloorQueries, WaiterService
database = Database(sys.argv[1])
service, queries = WaiterService(database), FloorQueries(database)
service.add_waiter("anna", "Anna")
other = sqlite3.connect(database.sqlite_path, isolation_level=None)
other.execute("BEGIN IMMEDIATE")
# More writers than the pool has connections.
writers = [gevent.spawn(service.add_waiter, f"waiter-{n}", "Ben") for n in range(20)]
turns = reads = 0
with gevent.Timeout(4):
    while turns < 50:
        gevent.sleep(0.001)
        turns += 1
        reads += queries.waiter_floor("anna").waiter_name == "Anna"
print(turns, reads, sum(writer.dead for writer in writers))
other.execute("ROLLBACK")
gevent.joinall(writers, timeout=4, raise_error=True)
print(sum(writer.dead for writer in writers))
database.dispose()
other.close()
"""


def test_greenlets_run_and_read_while_others_wait_to_write(database_url, run_python):
    output, complaints = run_python(GREENLETS, database_url).communicate(timeout=60)
    assert output.split() == ["50", "50", "0", "20"], complaints


def test_a_writer_continues_as_soon_as_the_lock_is_released(database, other_process):
    service = WaiterService(database)
    other_process.execute("BEGIN IMMEDIATE")
    writer = threading.Thread(target=service.add_waiter, args=("anna", "Anna"), daemon=True)
    writer.start()
    assert service.pending_count() == 0
    other_process.execute("ROLLBACK")
    writer.join(10)
    with database.reading() as orm:
        assert orm.scalar(text("SELECT name FROM waiters")) == "Anna"


@pytest.mark.parametrize("writers", [1, 3])
def test_a_writer_gives_up_in_time_and_the_next_one_succeeds(
    database, other_process, writers, monkeypatch
):
    monkeypatch.setattr(write_lock, "BUSY_TIMEOUT_SECONDS", 0.05)
    service = WaiterService(database)
    refused = []

    def add_waiter():
        with pytest.raises(DatabaseUnavailable, match="locked") as caught:
            service.add_waiter("anna", "Anna")
        refused.append(caught.value)

    other_process.execute("BEGIN IMMEDIATE")
    threads = [threading.Thread(target=add_waiter, daemon=True) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(refused) == writers
    other_process.execute("ROLLBACK")

    service.add_waiter("anna", "Anna")
    with database.writing() as orm:
        # SQLite's own waiting time is unchanged.
        assert orm.scalar(text("PRAGMA busy_timeout")) == 5000
