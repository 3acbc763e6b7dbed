"""The command line, under ``flask --app app``.

Each command finds what it needs in the application, calls it, and prints the result in a
line. What the service refuses is one line on stderr and exit code 1.
"""

from __future__ import annotations

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from notifications.channels import OF_A_VENUE
from notifications.principal import Role
from runtime.cli import watch
from runtime.cli.database import backup, restore
from runtime.cli.group import CommandGroup, waiter_service
from runtime.cli.sessions import session
from runtime.cli.tickets import order, request
from runtime.cli.tokens import mint, token
from runtime.cli.venues import venue
from runtime.cli.waiters import waiter
from runtime.settings import Settings
from waiter_service import FloorQueries, __version__, inputs
from waiter_service.actors import MAIN_VENUE
from waiter_service.errors import (
    DatabaseUnavailable,
    UnknownSession,
    UnknownWaiter,
    WaiterServiceError,
)
from waiter_service.reading.venue_directory import VenueDirectory

#: Whose token opens a stream of each kind.
_BEARERS = {
    "session": Role.CUSTOMER,
    "waiter": Role.WAITER,
    "floor": Role.DISPLAY,
    "kitchen": Role.KITCHEN,
}


def init_app(app: Flask) -> None:
    """Register the commands on ``app``."""
    for command in COMMANDS:
        app.cli.add_command(command)


@click.group("db", cls=CommandGroup)
def db() -> None:
    """Upgrade, back up and restore the database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Create the tables, or bring them to what this version needs."""
    database = waiter_service().database
    database.upgrade()
    click.echo(f"The database is up to date: {database}")


db.add_command(backup)
db.add_command(restore)


@click.group("demo", cls=CommandGroup)
def demo() -> None:
    """Try the service on a small restaurant."""


@demo.command("reset")
@click.option("--force", is_flag=True, help="Also where it is not the demo's: ALL DATA IS LOST.")
def demo_reset(force: bool) -> None:
    """Put the demo restaurant back to its beginning.

    Refuses where others than anna and ben work.
    """
    from demo.reset import is_demo, reset

    service = waiter_service()
    if not force and not is_demo(service):
        raise click.ClickException(
            "this database is not the demo's; nothing was changed (--force removes all its data)"
        )
    reset(service)
    click.echo("The demo restaurant is as it was at the beginning.")


@demo.command("seed")
def demo_seed() -> None:
    """Fill an empty database with the demo restaurant.

    Waiters anna and ben; sessions table-5 and table-7 (anna) and table-9 (ben);
    request req-1 and order ord-1 at table-7. A database with waiters in it is
    left as it is.
    """
    from demo.seed import seed

    if seed(waiter_service()):
        click.echo("The demo restaurant is open: waiters anna and ben, tables 5, 7 and 9.")
    else:
        click.echo("There is data already; nothing was changed.")


def _checked_url(_ctx: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    if url is not None and not watch.is_address(url):
        raise click.BadParameter("must be such as http://127.0.0.1:8000 or https://example.com")
    return url


@click.command("watch")
@click.argument("kind", type=click.Choice(list(_BEARERS)))
@click.argument("subject", metavar="ID")
@click.option(
    "--url",
    callback=_checked_url,
    help="Where the service is. Default: the service of this machine, at $HOST and $PORT.",
)
@with_appcontext
def watch_stream(kind: str, subject: str, url: str | None) -> None:
    """Show a live stream in the terminal, until Ctrl-C.

    Reconnects by itself, and continues where it was. ID must be in the database: that of a
    session, of a waiter, or of the venue whose floor or kitchen it is.

    \b
    Examples:
      flask --app app watch waiter anna
      flask --app app watch floor main
      flask --app app watch session table-7 --url https://restaurant.example.com
    """
    settings: Settings = current_app.extensions["settings"]
    base = (url or settings.local_url).rstrip("/")
    try:
        venue_id = _venue_of(kind, subject)
        watch.interrupt_when_unread()
        for line in watch.follow(
            f"{base}/sse/{kind}/{subject}",
            mint=lambda: mint(_BEARERS[kind], subject, venue_id=venue_id),
        ):
            click.echo(line)
    except (watch.Refused, WaiterServiceError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo()


def _venue_of(kind: str, subject: str) -> str:
    """Return the venue of a stream; raise an error if there is nothing to follow under its id."""
    inputs.identifier("ID", subject)
    database = waiter_service().database
    try:
        if kind in OF_A_VENUE:
            FloorQueries(database).venue_kitchen(subject, limit=1)
            return subject
        venue_id = VenueDirectory(database).look_up(kind, [subject]).get(subject)
        if venue_id is None:
            raise UnknownSession(subject) if kind == "session" else UnknownWaiter(subject)
        return venue_id
    except DatabaseUnavailable as error:
        # The stream may still be served, and streams are what one watches during an outage.
        click.echo(f"-- {error}", err=True)
    return subject if kind in OF_A_VENUE else MAIN_VENUE


@click.command("version")
def version() -> None:
    """Print the release of the service."""
    click.echo(__version__)


COMMANDS = (token, db, demo, venue, waiter, session, request, order, watch_stream, version)
