"""``db backup`` and ``db restore``: the whole SQLite database, to a file and back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy.engine import URL

from waiter_service import Database, WaiterService
from waiter_service.store import sqlite_backup
from waiter_service.store.schema import expected_revision


class UsePostgresTools(click.ClickException):
    """The database is PostgreSQL, which has better tools for this; names the command."""

    exit_code = 2


@click.command("backup")
@click.argument("path", type=click.Path(path_type=Path))
@with_appcontext
def backup(path: Path) -> None:
    """Copy the SQLite database to PATH, while the service runs.

    The copy is one file, shows one moment and holds everything committed until
    then. PATH must not exist.

    \b
    Example:
      flask --app app db backup /var/backups/restaurant-2024-01-15.db
    """
    database = _database()
    if database.sqlite_path is None:
        raise UsePostgresTools(
            "the database is PostgreSQL's; use its own tool, which works while the service runs:\n"
            f"  pg_dump --format=custom --file='{path}' {_only_ours(database)}"
            f"--dbname='{_plain_url(database)}'"
        )
    with _progress("Copying") as progress:
        sqlite_backup.backup(database.sqlite_path, path, progress)
    click.echo(f"The database is saved in {path} ({path.stat().st_size / 1e6:.1f} MB).")


@click.command("restore")
@click.argument("path", type=click.Path(path_type=Path))
@with_appcontext
def restore(path: Path) -> None:
    """Put the backup at PATH in the place of the SQLite database.

    Stop the service first. What has been changed since the backup is lost; screens
    load everything again once the service is back.

    \b
    Example:
      flask --app app db restore /var/backups/restaurant-2024-01-15.db
    """
    database = _database()
    if database.sqlite_path is None:
        raise UsePostgresTools(
            "the database is PostgreSQL's; stop the service, then use its own tools:\n"
            f"  {_emptying(database)}\n"
            f"  pg_restore --exit-on-error --dbname='{_plain_url(database)}' '{path}'\n"
            "docs/operations/deployment.md has all the steps"
        )
    with _progress("Copying") as progress:
        revision = sqlite_backup.restore(path, database.sqlite_path, progress)
    click.echo(f"The database is as it was in {path}.")
    if revision != expected_revision():
        click.echo(
            f"It is of an older release (schema {revision}). "
            "Before you start the service, run: flask --app app db upgrade"
        )


def _database() -> Database:
    service: WaiterService = current_app.extensions["waiter_service"]
    return service.database


def _only_ours(database: Database) -> str:
    return f"--schema='\"{database.schema}\"' " if database.schema else ""


def _emptying(database: Database) -> str:
    if database.schema is None:
        return "dropdb NAME && createdb NAME"
    drop = f'DROP SCHEMA "{database.schema}" CASCADE'
    return f"psql --command='{drop}' '{_plain_url(database)}'"


def _plain_url(database: Database) -> str:
    """Return the URL in the form of PostgreSQL's tools, without the password."""
    url = database.url.difference_update_query(["prepare_threshold"])
    return URL.create(
        "postgresql", url.username, None, url.host, url.port, url.database, url.query
    ).render_as_string()


@contextmanager
def _progress(label: str) -> Iterator[sqlite_backup.Progress]:
    """Show a progress bar on a terminal, and nothing in a log."""
    with click.progressbar(length=100, label=label, file=sys.stderr) as bar:
        yield lambda done, total: bar.update(100 * done // total - bar.pos)
