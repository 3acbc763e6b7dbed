"""A service made before a fork raises an error in the child and keeps working in the parent."""

from __future__ import annotations

# Each program prints what the child found and then what the parent did.
PRELUDE = """
import os, sys, traceback, warnings
from waiter_service import Database, WaiterService, errors

def in_a_child(function):
# Like multiprocessing and gunicorn, which run the exit handlers of their children.
    pid = os.fork()
    if pid == 0:
    # psycopg warns at its end that it leaves the parent's connections open.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            function()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        raise SystemExit
    return pid

def ended_well(pid):
    assert os.waitpid(pid, 0)[1] == 0

url = sys.argv[1]
service = WaiterService(Database(url))
"""

REFUSED = """
service.place_order("table-7", [{"name": "Soup", "quantity": 1}])
inherited = os.getpid()

def child():
    for use in (
        lambda: service.place_order("table-7", [{"name": "Salad", "quantity": 1}]),
        service.pending_count,
        service.database.check,
        service.database.upgrade,
        service.database.write_probe,
    ):
        try:
            use()
        except errors.CreatedBeforeFork as error:
            assert (error.made_by, error.used_by) == (inherited, os.getpid())
            assert isinstance(error, errors.DatabaseError)
            told = str(error)
        else:
            raise AssertionError(use)
    print(told, flush=True)
    service.database.dispose()

ended_well(in_a_child(child))
for quantity in range(1, 4):
    service.place_order("table-7", [{"name": "Bread", "quantity": quantity}])
"""


def test_a_forked_child_gets_an_error_and_the_parent_continues(service, database_url, run_python):
    process = run_python(PRELUDE + REFUSED, database_url)
    output, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, "")
    assert "make a WaiterService (or Database) in each process, after the fork" in output
    assert "gunicorn's post_fork" in output
    assert service.pending_count() == 4


UNUSED = """
def child():
    try:
        service.pending_count()
    except errors.CreatedBeforeFork:
        return
    raise AssertionError

ended_well(in_a_child(child))
"""


def test_a_service_unused_before_the_fork_is_refused_in_the_child_too(
    service, database_url, run_python
):
    process = run_python(PRELUDE + UNUSED, database_url)
    _, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, "")


ITS_OWN = """
def child():
    os.close(done_writer)
    own = WaiterService(Database(url))
    own.place_order("table-7", [{"name": "Salad", "quantity": 1}])
    os.write(ready_writer, b".")
    os.read(done_reader, 1)
    own.place_order("table-7", [{"name": "Salad", "quantity": 2}])
    own.database.dispose()

service.place_order("table-7", [{"name": "Soup", "quantity": 1}])
ready_reader, ready_writer = os.pipe()
done_reader, done_writer = os.pipe()
pid = in_a_child(child)
os.read(ready_reader, 1)
service.place_order("table-7", [{"name": "Soup", "quantity": 2}])
service.database.dispose()
service.place_order("table-7", [{"name": "Soup", "quantity": 3}])
os.close(done_writer)
ended_well(pid)
service.place_order("table-7", [{"name": "Soup", "quantity": 4}])
"""


def test_changes_of_a_childs_own_service_survive_the_disposal_of_its_parents(
    service, database_url, run_python
):
    # The child would inherit SQLite's count of locks, but not the locks.
    service.database.dispose()
    process = run_python(PRELUDE + ITS_OWN, database_url)
    _, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, "")
    assert service.pending_count() == 6


LOCKED = """
import threading

held, released = threading.Event(), threading.Event()

def hold():
    with service.database.writing():
        held.set()
        released.wait(20)

def child():
    try:
        service.update_order_status("ord-1", "Acknowledged")
    except errors.CreatedBeforeFork:
        return
    raise AssertionError

thread = threading.Thread(target=hold)
thread.start()
held.wait(20)
ended_well(in_a_child(child))
released.set()
thread.join()
service.update_order_status("ord-1", "InProgress")
"""


def test_a_lock_held_by_a_thread_of_the_parent_does_not_block_the_child(
    service, database_url, run_python
):
    process = run_python(PRELUDE + LOCKED, database_url)
    _, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, "")


RELAYING = """
import multiprocessing
from waiter_service import signals

signals.order_status_changed.connect(lambda sender, change: print(change.version), weak=False)
service.start_relaying()
service.update_order_status("ord-1", "Acknowledged")
sys.stdout.flush()

def work():
    for use in (service.flush, lambda: service.update_order_status("ord-1", "InProgress")):
        try:
            use()
        except errors.CreatedBeforeFork:
            continue
        raise AssertionError

process = multiprocessing.get_context("fork").Process(target=work)
process.start()
process.join()
assert process.exitcode == 0
service.update_order_status("ord-1", "InProgress")
service.stop_relaying()
"""


def test_a_relay_announces_nothing_in_a_process_that_multiprocessing_forks(
    service, database_url, run_python
):
    process = run_python(PRELUDE + RELAYING, database_url)
    output, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, "")
    assert output.split() == ["2", "3"]
    assert service.pending_count() == 0
