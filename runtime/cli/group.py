"""What the command groups share: how they find the service, and how they report failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click
from flask import current_app
from flask.cli import AppGroup

from api.call import Answer
from api.resources import Resource
from waiter_service import (
    FloorQueries,
    OfferPage,
    OrderPage,
    RequestPage,
    SessionPage,
    VenuePage,
    WaiterPage,
    WaiterService,
)
from waiter_service.errors import WaiterServiceError
from waiter_service.reading.pages import MAX_LIMIT

P = TypeVar("P", VenuePage, WaiterPage, SessionPage, OfferPage, RequestPage, OrderPage)

#: For commands that change something.
REASON = click.option("--reason", metavar="TEXT", help="For the staff: kept in the audit.")

#: For commands whose answer the REST API has too.
JSON = click.option("--json", "as_json", is_flag=True, help="Print what the REST API answers.")

#: For lists as JSON; as text a list is printed whole.
LIMIT = click.option(
    "--limit",
    type=click.IntRange(1, MAX_LIMIT),
    metavar="N",
    help="With --json: how many one page is to have.",
)
CURSOR = click.option("--cursor", metavar="NEXT", help="With --json: the next of a page.")


class CommandGroup(AppGroup):
    """Commands that run with the application and report failures in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WaiterServiceError as error:
            raise click.ClickException(str(error)) from error


def waiter_service() -> WaiterService:
    """Return the application's service."""
    service: WaiterService = current_app.extensions["waiter_service"]
    return service


def floor_queries() -> FloorQueries:
    """Return the queries on the application's database."""
    return FloorQueries(waiter_service().database)


def all_pages(read: Callable[[str | None], P]) -> Iterator[P]:
    """Yield each page, following the cursors that ``read(cursor)`` returns."""
    page = read(None)
    yield page
    while page.next is not None:
        page = read(page.next)
        yield page


def echo_json(resource: Resource) -> None:
    """Print ``resource`` as the REST API answers it."""
    click.echo(Answer.of(200, resource).body)
