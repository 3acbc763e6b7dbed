"""On PostgreSQL the tables may be in a schema of their own, beside another program's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, text
from sqlalchemy.engine import make_url

from app import create_app
from runtime.settings import SettingsError
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres_server import PostgresServer
from tests.support.service_server import ServiceServer, open_restaurant
from waiter_service import (
    SYSTEM,
    Actor,
    Database,
    FloorQueries,
    IdempotencyStore,
    StoredAnswer,
    WaiterService,
)
from waiter_service.errors import DatabaseSchemaInvalid, DatabaseUnavailable, SchemaOutOfDate
from waiter_service.join_codes import JoinCodes
from waiter_service.revocations import Revocations, RevokedKind
from waiter_service.store import schema
from waiter_service.store.marks import Marks
from waiter_service.store.models import Base

pytestmark = pytest.mark.postgres

# Another program's tables in the same database, with the same names as ours.
ANOTHER_PROGRAM = """
CREATE TABLE alembic_version (version_num varchar(32) NOT NULL);
INSERT INTO alembic_version VALUES ('1f2e3d4c5b6a');
CREATE TABLE orders (id integer PRIMARY KEY);
CREATE TABLE requests (id integer PRIMARY KEY);
"""


@pytest.fixture
def shared_url(postgres_url: str) -> str:
    """A database in which another program keeps tables."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(ANOTHER_PROGRAM)
    return postgres_url


def tables(url: str, schema_name: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema_name]
        )
        return {name for (name,) in found}


def lose_search_path(database: Database) -> None:
    """Reset the search path of every connection, as a pooler may do."""

    @event.listens_for(database.engine.pool, "checkout")
    def _reset(connection: psycopg.Connection, *_: object) -> None:
        connection.execute("SET search_path TO ''")
        connection.commit()


def use_every_table(database: Database) -> None:
    """Read and write every table."""
    service = WaiterService(database)
    service.start_relaying()
    service.add_waiter("anna", "Anna")
    service.add_waiter("ben", "Ben")
    table = service.open_session(12, "anna")
    water = service.create_request(table.id, "water").request
    order = service.place_order(table.id, [{"name": "Pizza", "quantity": 2}])
    anna = Actor.waiter("anna")
    for status in ("Acknowledged", "InProgress", "Acknowledged") * 3:
        service.update_request_status(water.id, status, actor=anna)
    service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    service.update_order_status(order.id, "Cancelled")
    service.close_session(table.id, force=True, reason="home")
    service.reopen_session(table.id)

    queries = FloorQueries(database)
    assert [each.session.id for each in queries.waiter_floor("ben").sessions] == [table.id]
    assert queries.session_snapshot(table.id).orders[0].status.value == "Cancelled"
    assert queries.waiter_analytics("ben")
    codes = JoinCodes(database, ["0" * 64], max_guests=3)
    assert codes.join(codes.make(table.id, actor=SYSTEM).code, address="a phone").token_id
    revocations = Revocations(database)
    revocations.revoke({RevokedKind.WAITER: "anna"}, must_be_known=True)
    found = revocations.find()
    assert revocations.stamp([each.id for each in found])
    keys = IdempotencyStore(database)
    assert keys.begin("key-1", anna, "POST /", "00") is None
    keys.finish("key-1", anna, 200, "{}")
    assert keys.begin("key-1", anna, "POST /", "00") == StoredAnswer(200, "{}")
    marks = Marks(database)
    assert marks.find([marks.write()]).known_marks
    database.write_probe()
    service.flush()
    assert service.pending_count() == 0
    service.stop_relaying()


def assert_only_the_other_program_is_in_public(url: str) -> None:
    assert tables(url, "public") == {"alembic_version", "orders", "requests"}
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT version_num FROM public.alembic_version").fetchall()
        assert found == [("1f2e3d4c5b6a",)]
        for table in ("orders", "requests"):
            statement = f"SELECT * FROM public.{table}"
            columns = connection.execute(statement.encode()).description or []
            assert [each.name for each in columns] == ["id"]


def test_working_in_its_own_schema_leaves_another_programs_tables_unchanged(
    shared_url: str, listener: object
) -> None:
    database = Database(shared_url, schema="floor")
    lose_search_path(database)
    with pytest.raises(SchemaOutOfDate, match=r"schema floor.*no tables.*db upgrade"):
        database.check()

    database.upgrade()
    database.upgrade()
    use_every_table(database)

    assert tables(shared_url, "floor") == {*Base.metadata.tables, "alembic_version"}
    assert_only_the_other_program_is_in_public(shared_url)
    database.dispose()


def test_every_statement_names_its_schema_behind_a_transaction_pooler(
    shared_url: str, postgres_server: PostgresServer, listener: object
) -> None:
    with PgBouncer(postgres_server) as pooler:
        name = str(make_url(shared_url).database)
        databases = [Database(pooler.url(name), schema=each) for each in ("north", "South_2")]
        for database in databases:
            database.upgrade()
            use_every_table(database)
            database.dispose()
    for schema_name in ("north", "South_2"):
        assert tables(shared_url, schema_name) == {*Base.metadata.tables, "alembic_version"}
    assert_only_the_other_program_is_in_public(shared_url)


def test_models_and_migrations_agree_in_a_schema_too(shared_url: str) -> None:
    database = Database(shared_url, schema="floor")
    database.upgrade()
    with database.engine.connect() as connection:
        connection.execute(text("SET search_path TO floor"))
        connection.dialect.default_schema_name = "floor"
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []
    database.dispose()


def test_downgrades_stay_in_the_schema(shared_url: str) -> None:
    database = Database(shared_url, schema="floor")
    database.upgrade()
    with database.engine.begin() as connection:
        connection.execute(text("SET LOCAL search_path TO ''"))
        config = schema.alembic_config()
        config.attributes.update(connection=connection, schema="floor")
        command.downgrade(config, "base")
    assert tables(shared_url, "floor") == {"alembic_version"}
    assert_only_the_other_program_is_in_public(shared_url)
    database.dispose()


def test_tables_of_another_program_are_not_touched_and_the_error_names_the_setting(
    shared_url: str,
) -> None:
    database = Database(shared_url)
    for use in (database.check, database.upgrade):
        with pytest.raises(SchemaOutOfDate, match=r"1f2e3d4c5b6a.*set DATABASE_SCHEMA"):
            use()
    database.dispose()
    assert_only_the_other_program_is_in_public(shared_url)


def test_an_existing_schema_needs_no_right_to_create_one(
    shared_url: str, postgres_server: PostgresServer
) -> None:
    name = str(make_url(shared_url).database)
    with psycopg.connect(shared_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS cook")
        connection.execute("CREATE ROLE cook LOGIN")
        connection.execute("CREATE SCHEMA kitchen AUTHORIZATION cook")
    url = make_url(shared_url).set(username="cook").render_as_string()
    ours, missing = (Database(url, schema=each) for each in ("kitchen", "cellar"))
    ours.upgrade()
    ours.check()
    with pytest.raises(DatabaseUnavailable, match=f"permission denied for database {name}"):
        missing.upgrade()
    for database in (ours, missing):
        database.dispose()


@pytest.mark.parametrize(
    "name",
    ["two words", "1st", "a" * 64, "pg_floor", "Information_Schema", 'x"; DROP', "caf\u00e9"],
)
def test_an_invalid_schema_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(DatabaseSchemaInvalid, match=r"DATABASE_SCHEMA is .*, but"):
        Database("postgresql://db/floor", schema=name)


def test_a_schema_on_sqlite_is_refused(tmp_path: Path) -> None:
    environ = {"DATABASE_SCHEMA": "floor", "INSTANCE_DIR": str(tmp_path)}
    with pytest.raises(DatabaseSchemaInvalid, match="SQLite has no schemas: unset it"):
        WaiterService.from_env(environ)
    with pytest.raises(SettingsError, match="SQLite has no schemas: unset it"):
        create_app(environ)


def test_a_service_in_its_own_schema_announces_the_changes_of_a_script(
    shared_url: str, start_server: Callable[..., ServiceServer]
) -> None:
    open_restaurant(shared_url, "floor")
    server = start_server(DATABASE_URL=shared_url, DATABASE_SCHEMA="floor")
    with server.listen_session("table-7") as guest:
        service = WaiterService.from_env({"DATABASE_URL": shared_url, "DATABASE_SCHEMA": "floor"})
        service.update_order_status("ord-1", "Acknowledged")
        assert guest.next("order_update").data["status"] == "Acknowledged"
        service.database.dispose()
    assert_only_the_other_program_is_in_public(shared_url)
