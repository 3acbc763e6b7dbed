from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from runtime.settings import Settings
from waiter_service import Database, WaiterService
from waiter_service.errors import DatabaseUnavailable, DatabaseUrlInvalid, SchemaOutOfDate
from waiter_service.store import schema
from waiter_service.store.database_url import DEFAULT_SQLITE_PATH
from waiter_service.store.models import Base


@pytest.fixture
def empty(empty_database_url):
    database = Database(empty_database_url)
    yield database
    database.dispose()


def test_models_and_migrations_agree(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_a_database_without_tables_says_what_to_run(empty, empty_database_url):
    for use in (
        empty.check,
        WaiterService(empty).pending_count,
        lambda: WaiterService(empty).add_waiter("anna", "Anna"),
        lambda: WaiterService.from_env({"DATABASE_URL": empty_database_url}),
    ):
        with pytest.raises(SchemaOutOfDate, match="run: flask --app app db upgrade"):
            use()


def test_a_second_upgrade_changes_nothing(empty):
    empty.upgrade()
    empty.upgrade()
    empty.check()


def test_a_schema_from_a_newer_release_is_refused(empty):
    empty.upgrade()
    with empty.writing() as orm:
        orm.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaOutOfDate, match=r"9999.* newer code"):
        empty.check()


UPGRADE = """
import sys
from waiter_service import Database
database = Database(sys.argv[1])
database.upgrade()
database.dispose()
"""


def test_several_processes_can_upgrade_at_once(empty, empty_database_url, run_python):
    processes = [run_python(UPGRADE, empty_database_url) for _ in range(4)]
    for process in processes:
        _, complaints = process.communicate(timeout=60)
        assert (process.returncode, complaints) == (0, "")
    empty.check()


def test_a_failed_migration_changes_nothing(empty, monkeypatch):
    def upgrade(connection, name):
        connection.execute(text("CREATE TABLE half_done (id INTEGER)"))
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(schema, "upgrade", upgrade)
        with pytest.raises(RuntimeError):
            empty.upgrade()
    empty.upgrade()
    with empty.writing() as orm:
        orm.execute(text("CREATE TABLE half_done (id INTEGER)"))


@pytest.mark.parametrize("url", [None, ""])
def test_without_a_url_the_database_is_a_file_beside_the_code(url):
    assert Database(url).sqlite_path == DEFAULT_SQLITE_PATH
    assert DEFAULT_SQLITE_PATH.parts[-2:] == ("instance", "restaurant.db")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_spelling_of_postgresql_is_understood(scheme):
    database = Database(f"{scheme}://guest:secret@db.example/floor")
    assert str(database) == "postgresql+psycopg://guest:***@db.example/floor"
    assert "secret" not in repr(database)
    assert database.sqlite_path is None


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://db/floor",
        "nonsense",
        "postgresql://db:port/floor",
        "sqlite:///file:x?mode=memory",
        "sqlite:///floor.db?options=x",
    ],
)
def test_an_unusable_url_is_refused_with_an_example_that_works(url):
    with pytest.raises(DatabaseUrlInvalid, match=r"sqlite"):
        Database(url)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////proc/nowhere.db",
        "sqlite:////proc/no/folder.db",
        f"sqlite:///{__file__}",  # no database at all
        f"sqlite:///{__file__}/folder.db",
        "postgresql://guest:secret@127.0.0.1:1/floor",
    ],
)
def test_a_database_that_does_not_answer_is_named_without_its_password(url):
    with pytest.raises(DatabaseUnavailable) as caught:
        Database(url).check()
    assert "DATABASE_URL" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_directory_is_created(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/instance/deep/restaurant.db")
    database.upgrade()
    database.check()
    database.dispose()


def test_sqlite_is_set_up_for_many_readers_and_a_waiting_writer(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/restaurant.db")
    database.upgrade()
    with database.reading() as orm:
        settings = {
            name: orm.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
    assert settings == {
        "journal_mode": "wal",
        "synchronous": 1,
        "busy_timeout": 5000,
        "foreign_keys": 1,
    }
    database.dispose()


def test_a_reader_sees_one_snapshot_while_others_write(service, queries):
    with service.database.reading() as orm:
        before = orm.scalar(text("SELECT version FROM orders WHERE id = 'ord-1'"))
        service.update_order_status("ord-1", "Acknowledged")
        assert orm.scalar(text("SELECT version FROM orders WHERE id = 'ord-1'")) == before


@pytest.mark.parametrize("spelled", ["{home}/floor", "~/floor"])
def test_a_script_that_sets_only_the_instance_directory_finds_the_servers_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = {"INSTANCE_DIR": spelled.format(home=tmp_path)}
    Database(Settings.load(environ).database_url).upgrade()

    service = WaiterService.from_env(environ)

    assert service.database.sqlite_path == tmp_path / "floor" / "restaurant.db"
    service.database.dispose()


def test_revisions_are_those_that_alembic_finds() -> None:
    scripts = ScriptDirectory.from_config(schema.alembic_config())
    assert schema.expected_revision() == scripts.get_current_head()
    assert schema.known_revisions() == {each.revision for each in scripts.walk_revisions()}
