"""`make migration` writes the difference between the models and the migrations."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from scripts.make_migration import make_migration
from tests.support.programs import REPOSITORY
from waiter_service import Database
from waiter_service.store import schema
from waiter_service.store.models import Base

#: The last migration that is kept. Later ones add tables and a column.
LAST_KEPT = "0006"
RUFF_CONFIG = str(REPOSITORY / "pyproject.toml")


@pytest.fixture
def migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the migrations that lacks the newest ones, and that the service uses."""
    copy = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (copy / "versions").glob("0*.py"):
        if file.name.partition("_")[0] > LAST_KEPT:
            file.unlink()
    monkeypatch.setattr(schema, "MIGRATIONS", copy)
    caches = (schema.known_revisions, schema.expected_revision)
    for cache in caches:
        cache.cache_clear()
    yield copy
    for cache in caches:
        cache.cache_clear()


def assert_leads_to_the_models_and_back(url: str, schema_name: str | None = None) -> None:
    database = Database(url, schema=schema_name)
    database.upgrade()
    with database.engine.begin() as connection:
        if schema_name is not None:
            connection.execute(text(f"SET search_path TO {schema_name}"))
            connection.dialect.default_schema_name = schema_name
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []

        config = schema.alembic_config()
        config.attributes.update(connection=connection, schema=schema_name)
        if schema_name is not None:
            connection.execute(text("SET LOCAL search_path TO ''"))
        command.downgrade(config, LAST_KEPT)
        assert schema.found_revision(connection, schema_name) == LAST_KEPT
    database.dispose()


@pytest.mark.usefixtures("migrations")
def test_a_generated_migration_upgrades_to_the_models_and_downgrades_again(tmp_path: Path) -> None:
    make_migration("What was lost")
    assert_leads_to_the_models_and_back(f"sqlite:///{tmp_path}/floor.db")


@pytest.mark.postgres
@pytest.mark.parametrize("schema_name", [None, "floor"])
@pytest.mark.usefixtures("migrations")
def test_a_generated_migration_runs_on_postgresql_and_in_a_schema(
    postgres_url: str, schema_name: str | None
) -> None:
    make_migration("What was lost")
    assert_leads_to_the_models_and_back(postgres_url, schema_name)


def test_a_generated_file_has_the_next_number_and_is_formatted(migrations: Path) -> None:
    file = make_migration("what was lost")

    assert file == migrations / "versions" / "0007_what_was_lost.py"
    assert (ast.get_docstring(ast.parse(file.read_text())) or "").startswith("What was lost.")
    for arguments in (["check"], ["format", "--check"]):
        ruff = [
            sys.executable,
            "-m",
            "ruff",
            *arguments,
            "--config",
            str(REPOSITORY / "pyproject.toml"),
        ]
        done = subprocess.run([*ruff, str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    assert "waiter_service" not in file.read_text(), "our types may change, migrations may not"


def test_a_migration_is_empty_if_models_and_migrations_agree(migrations: Path) -> None:
    make_migration("What was lost")
    schema.known_revisions.cache_clear()

    file = make_migration("Correct the old rows")

    assert file == migrations / "versions" / "0008_correct_the_old_rows.py"
    assert file.read_text().count("grade() -> None:\n    pass\n") == 2


def test_a_name_that_is_not_words_is_refused(migrations: Path) -> None:
    before = sorted(migrations.rglob("*.py"))
    for name in ("", "../../x", "0010", "a-b", "two  blanks", "café"):
        with pytest.raises(ValueError, match="not a name of words"):
            make_migration(name)
    assert sorted(migrations.rglob("*.py")) == before
