"""Backups of the SQLite database: made while the service runs, restored while it is stopped."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command_line import flask
from tests.support.programs import REPOSITORY
from tests.support.service_server import ServiceServer
from waiter_service import Database, WaiterService
from waiter_service.errors import BackupFailed
from waiter_service.store.sqlite_backup import backup, restore


def status_in(path: Path) -> str:
    """Return the status of the demo's order in the database file at ``path``."""
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database:
        status: str = database.execute("SELECT status FROM orders WHERE id = 'ord-1'").fetchone()[0]
        return status


def move(server: ServiceServer, status: str) -> None:
    answer = server.request(
        "PATCH",
        "/api/orders/ord-1",
        token=server.token("waiter", "anna"),
        json={"status": status},
    )
    assert answer.ok, answer.text


@pytest.fixture
def database(tmp_path: Path, seeded_sqlite: Path) -> Path:
    """A database that no process has open."""
    return Path(shutil.copyfile(seeded_sqlite, tmp_path / "restaurant.db"))


def test_after_a_clean_stop_everything_is_in_the_database_file(server: ServiceServer) -> None:
    move(server, "Acknowledged")
    # Like another worker: a script that ends without closing anything.
    assert flask(server, "waiter", "order-status", "ord-1", "InProgress").returncode == 0
    server.stop()
    assert not (server.directory / "restaurant.db-wal").exists()
    assert status_in(server.directory / "restaurant.db") == "InProgress"


def test_after_a_command_everything_is_in_the_database_file(
    start_server: Callable[..., ServiceServer],
) -> None:
    server = start_server(start=False)
    assert flask(server, "waiter", "order-status", "ord-1", "Acknowledged").returncode == 0
    assert not (server.directory / "restaurant.db-wal").exists()
    assert status_in(server.directory / "restaurant.db") == "Acknowledged"


def test_a_backup_of_a_running_service_is_restored_completely(server: ServiceServer) -> None:
    saved = server.directory / "saved.db"
    move(server, "Acknowledged")
    made = flask(server, "db", "backup", str(saved))
    assert made.returncode == 0, made.stderr
    assert status_in(saved) == "Acknowledged"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    move(server, "InProgress")

    refused = flask(server, "db", "restore", str(saved))
    assert refused.returncode == 1
    assert f"process {server.worker_pids[0]} has it open; stop the service" in refused.stderr
    assert server.get("/sse/health").ok
    move(server, "Complete")

    # The files that a crash leaves belong to the old database, and must not affect the new one.
    server.kill()
    assert (server.directory / "restaurant.db-wal").exists()
    restored = flask(server, "db", "restore", str(saved))
    assert restored.returncode == 0, restored.stderr
    assert not (server.directory / "restaurant.db-wal").exists()
    server.start()
    table = server.get("/api/sessions/table-7", token=server.token("waiter", "anna")).json()
    assert [order["status"] for order in table["orders"]] == ["Acknowledged"]
    move(server, "InProgress")


def test_a_backup_is_a_snapshot_even_if_others_write(database: Path, tmp_path: Path) -> None:
    service = WaiterService(Database(f"sqlite:///{database}"))
    is_over = threading.Event()

    def keep_changing() -> None:
        while not is_over.is_set():
            for status in ("Acknowledged", "New"):
                service.update_order_status("ord-1", status)

    add_filler(database)
    writer = threading.Thread(target=keep_changing)
    writer.start()
    steps: list[tuple[int, int]] = []
    try:
        backup(database, tmp_path / "saved.db", lambda done, total: steps.append((done, total)))
    finally:
        is_over.set()
        writer.join()
        service.database.dispose()
    # The copy never restarts. On a busy floor it would otherwise never end.
    assert steps == sorted(set(steps))
    assert len(steps) > 2
    with closing(sqlite3.connect(tmp_path / "saved.db")) as saved:
        assert saved.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        version, changes = saved.execute(
            "SELECT version, (SELECT count(*) FROM audit WHERE subject_id = 'ord-1')"
            " FROM orders WHERE id = 'ord-1'"
        ).fetchone()
        assert version == changes


def test_a_backup_overwrites_nothing(database: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("something else")
    with pytest.raises(BackupFailed, match="exists already"):
        backup(database, taken)
    assert taken.read_text() == "something else"
    with pytest.raises(BackupFailed, match="No such file"):
        backup(database, tmp_path / "nowhere" / "saved.db")
    with pytest.raises(BackupFailed, match="there is no database"):
        backup(tmp_path / "other.db", tmp_path / "saved.db")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["restaurant.db", "taken"]


def test_only_a_backup_of_this_service_is_restored(database: Path, tmp_path: Path) -> None:
    before = database.read_bytes()
    saved = tmp_path / "saved.db"
    with pytest.raises(BackupFailed, match="there is no backup"):
        restore(saved, database)
    saved.write_bytes(b"no database at all" * 100)
    with pytest.raises(BackupFailed, match="not a database"):
        restore(saved, database)
    saved.unlink()
    with closing(sqlite3.connect(saved)) as other:
        other.execute("CREATE TABLE orders (id TEXT)")
        other.commit()
    with pytest.raises(BackupFailed, match="lacks its tables"):
        restore(saved, database)
    shutil.copyfile(database, saved)
    with closing(sqlite3.connect(saved)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.commit()
    with pytest.raises(BackupFailed, match="newer release"):
        restore(saved, database)
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("DROP TABLE orders", r"lacks orders\."),
        ("ALTER TABLE waiters RENAME COLUMN name TO nickname", r"lacks waiters\.name"),
        ("UPDATE alembic_version SET version_num = ''", "lacks its tables"),
        ("UPDATE alembic_version SET version_num = 'ae1027a6acf'", "lacks its tables"),
        ("DELETE FROM alembic_version", "lacks its tables"),
        (
            "DROP TABLE alembic_version; CREATE TABLE alembic_version (version_num);"
            " INSERT INTO alembic_version VALUES (NULL)",
            "lacks its tables",
        ),
    ],
)
def test_a_file_without_all_tables_of_its_revision_is_refused(
    database: Path, tmp_path: Path, change: str, reason: str
) -> None:
    before = database.read_bytes()
    saved = Path(shutil.copyfile(database, tmp_path / "saved.db"))
    with closing(sqlite3.connect(saved)) as other:
        other.executescript(change)
    with pytest.raises(BackupFailed, match=reason):
        restore(saved, database)
    assert database.read_bytes() == before


# Writes as soon as it can, and prints a line before and after.
OPENER = """
import sqlite3, sys
print("opens", flush=True)
database = sqlite3.connect(sys.argv[1], timeout=30)
database.execute("PRAGMA journal_mode = WAL")
database.execute("UPDATE orders SET version = version + 100 WHERE status = 'New'")
database.commit()
"""

# Is killed when a part of the pages has been written.
KILLED = """
import os, signal, sys
from pathlib import Path
from waiter_service.store.sqlite_backup import restore
restore(Path(sys.argv[1]), Path(sys.argv[2]), lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


def add_filler(path: Path) -> None:
    """Give the database enough pages that a copy takes several steps."""
    with closing(sqlite3.connect(path)) as filler:
        filler.execute("CREATE TABLE filler (page BLOB)")
        filler.executemany("INSERT INTO filler VALUES (zeroblob(4000))", [()] * 10_000)
        filler.commit()


def test_a_process_that_opens_the_database_during_a_restore_writes_to_the_restored_one(
    database: Path, tmp_path: Path
) -> None:
    add_filler(database)
    saved = tmp_path / "saved.db"
    backup(database, saved)
    with closing(sqlite3.connect(database)) as changed:
        changed.execute("UPDATE orders SET status = 'Complete'")
        changed.commit()
    openers: list[subprocess.Popen[str]] = []

    def open_it(_done: int, _total: int) -> None:
        if not openers:
            command = [sys.executable, "-c", OPENER, str(database)]
            openers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            assert openers[0].stdout is not None
            assert openers[0].stdout.readline() == "opens\n"

    restore(saved, database, open_it)
    with openers[0] as opener:
        assert opener.wait(20) == 0
    with closing(sqlite3.connect(database)) as restored:
        assert restored.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        [(status, version)] = restored.execute(
            "SELECT status, version FROM orders WHERE id = 'ord-1'"
        )
    assert status == "New"
    assert version > 100


def test_a_restore_killed_half_way_changes_nothing(database: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.db"
    add_filler(database)
    backup(database, saved)
    with closing(sqlite3.connect(database)) as changed:
        changed.execute("UPDATE orders SET status = 'Complete'")
        changed.commit()
    command = [sys.executable, "-c", KILLED, str(saved), str(database)]
    assert subprocess.run(command, cwd=REPOSITORY).returncode == -signal.SIGKILL
    with closing(sqlite3.connect(database)) as left:
        assert left.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert left.execute("SELECT DISTINCT status FROM orders").fetchall() == [("Complete",)]
    restore(saved, database)
    assert status_in(database) == "New"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["restaurant.db", "saved.db"]


def test_a_damaged_database_is_replaced_and_keeps_its_permissions(
    database: Path, tmp_path: Path
) -> None:
    backup(database, tmp_path / "saved.db")
    database.write_bytes(b"damaged")
    database.chmod(0o640)
    restore(tmp_path / "saved.db", database)
    assert status_in(database) == "New"
    assert stat.S_IMODE(database.stat().st_mode) == 0o640


def test_a_database_behind_a_link_is_restored_and_the_link_stays(
    start_server: Callable[..., ServiceServer], tmp_path: Path
) -> None:
    server = start_server(start=False)
    saved = tmp_path / "saved.db"
    assert flask(server, "db", "backup", str(saved)).returncode == 0
    link, file = server.directory / "restaurant.db", tmp_path / "elsewhere.db"
    link.replace(file)
    link.symlink_to(file)
    assert flask(server, "waiter", "order-status", "ord-1", "Acknowledged").returncode == 0
    restored = flask(server, "db", "restore", str(saved))
    assert restored.returncode == 0, restored.stderr
    assert link.readlink() == file
    assert status_in(file) == "New"


def test_restoring_an_older_backup_names_the_upgrade_command(
    start_server: Callable[..., ServiceServer], tmp_path: Path
) -> None:
    server = start_server(start=False)
    saved = tmp_path / "saved.db"
    assert flask(server, "db", "backup", str(saved)).returncode == 0
    with closing(sqlite3.connect(saved)) as older:
        older.execute("UPDATE alembic_version SET version_num = '0001'")
        older.commit()
    restored = flask(server, "db", "restore", str(saved))
    assert restored.returncode == 0, restored.stderr
    assert "run: flask --app app db upgrade" in restored.stdout


@pytest.mark.parametrize(("command", "tool"), [("backup", "pg_dump"), ("restore", "pg_restore")])
def test_on_postgresql_the_commands_name_its_own_tools(
    start_server: Callable[..., ServiceServer], command: str, tool: str
) -> None:
    server = start_server(
        start=False, DATABASE_URL="postgresql+psycopg://anna:secret@db.example/restaurant"
    )
    done = flask(server, "db", command, "saved.dump")
    assert done.returncode == 2
    assert tool in done.stderr
    assert "--dbname='postgresql://anna@db.example/restaurant'" in done.stderr
    assert "secret" not in done.stdout + done.stderr
