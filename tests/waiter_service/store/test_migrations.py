"""Data of earlier releases keeps working after an upgrade."""

import pytest
from alembic import command
from sqlalchemy import text

from waiter_service import Database, WaiterService
from waiter_service.store import schema


@pytest.fixture
def database_at(empty_database_url):
    """Make a database whose tables are those of an earlier revision."""
    database = Database(empty_database_url)

    def at(revision):
        with database.engine.begin() as connection:
            config = schema.alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
        return database

    yield at
    database.dispose()


FLOOR_AT_0002 = """
INSERT INTO waiters (id, name, created_at) VALUES ('anna', 'Anna', '2024-01-15 10:00:00');
INSERT INTO sessions (id, table_number, waiter_id, version, opened_at)
    VALUES ('table-5', 5, 'anna', 1, '2024-01-15 10:00:00');
INSERT INTO requests (id, session_id, kind, status, version, created_at, updated_at) VALUES
    ('open', 'table-5', 'cre\u0300me', 'New', 1, '2024-01-15 10:00:00', '2024-01-15 10:00:00'),
    ('done', 'table-5', 'water', 'Done', 3, '2024-01-15 10:00:00', '2024-01-15 10:05:00');
INSERT INTO orders (id, session_id, items, item_count, status, version, created_at, updated_at)
    VALUES ('paid', 'table-5', '[]', 1, 'Paid', 6, '2024-01-15 10:00:00', '2024-01-15 10:09:00')
"""


def test_kinds_from_before_the_migration_are_compared_like_new_ones(database_at):
    database = database_at("0002")
    with database.engine.begin() as connection:
        for statement in FLOOR_AT_0002.split(";"):
            connection.execute(text(statement))
    database.upgrade()
    service = WaiterService(database)
    assert service.create_request("table-5", "Cr\u00e8me").id == "open"
    assert service.create_request("table-5", "water").created
    with database.engine.begin() as connection:
        finished = connection.execute(
            text("SELECT id FROM requests WHERE finished_at = updated_at UNION ALL "
                 "SELECT id FROM orders WHERE finished_at = updated_at ORDER BY id")
        )  # fmt: skip
        assert finished.scalars().all() == ["done", "paid"]
