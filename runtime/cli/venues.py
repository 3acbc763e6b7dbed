"""``venue``: the restaurants of the deployment."""

from __future__ import annotations

import click

from api.lists import VenueList
from api.resources import Venue
from runtime.cli.group import (
    CURSOR,
    JSON,
    LIMIT,
    CommandGroup,
    all_pages,
    echo_json,
    floor_queries,
    waiter_service,
)
from runtime.cli.tables import echo_table


@click.group("venue", cls=CommandGroup)
def venue() -> None:
    """Add and list venues. A single restaurant is the venue main and needs none of this."""


@venue.command("add")
@click.argument("venue_id", metavar="ID")
@click.argument("name", required=False)
@click.option("--time-zone", metavar="ZONE", help="Such as Europe/Berlin. [default: UTC]")
@JSON
def add(venue_id: str, name: str | None, time_zone: str | None, as_json: bool) -> None:
    """Add a venue, or change the NAME and the time zone of an existing one.

    \b
    Example:
      flask --app app venue add harbour "At the Harbour" --time-zone Europe/Lisbon
    """
    added = waiter_service().add_venue(venue_id, name, time_zone=time_zone)
    if as_json:
        echo_json(Venue.of(added.venue))
    else:
        what = "added" if added.created else "known already"
        click.echo(f"Venue {added.venue.id} ({added.venue.name}): {what}.")


@venue.command("list")
@LIMIT
@CURSOR
@JSON
def list_venues(limit: int | None, cursor: str | None, as_json: bool) -> None:
    """List the venues."""
    queries = floor_queries()
    if as_json:
        echo_json(VenueList.of(queries.venues(limit=limit, cursor=cursor)))
        return
    found = all_pages(lambda at: queries.venues(cursor=at))
    echo_table(
        ("ID", "NAME", "TIME ZONE"),
        ((each.id, each.name, each.time_zone) for page in found for each in page.venues),
    )
