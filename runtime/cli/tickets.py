"""``request`` and ``order``: what guests ask for and order."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from api.lists import OrderList, RequestList
from api.resources import Order, Request
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
from waiter_service import (
    SYSTEM,
    OrderItem,
    OrderPage,
    OrderView,
    RequestPage,
    RequestView,
)

NOTE = click.option("--note", metavar="TEXT", help="For the staff.")
STATUS = click.option("--status", metavar="STATUS", help="Only with this status.")
VENUE = click.option("--venue", "venue_id", metavar="ID", help="Only of this venue.")
SESSION = click.option("--session", "session_id", metavar="ID", help="Only of this session.")
OLDER_THAN = click.option(
    "--older-than", "older_than_seconds", type=int, metavar="SECONDS", help="Only older ones."
)

#: ``2xPizza``: how many, and of what.
_COUNTED = re.compile(r"(\d+)x(.+)", re.DOTALL)


@click.group("request", cls=CommandGroup)
def request() -> None:
    """Make and list the guests' requests."""


@request.command("create")
@click.argument("session_id", metavar="SESSION")
@click.argument("kind")
@NOTE
@JSON
def create_request(session_id: str, kind: str, note: str | None, as_json: bool) -> None:
    """Make a request of KIND, such as water or bill.

    \b
    Example:
      flask --app app request create table-7 water
    """
    made = waiter_service().create_request(session_id, kind, note=note)
    if as_json:
        echo_json(Request.of(made.request, SYSTEM))
    else:
        what = "made" if made.created else "open already"
        click.echo(f"Request {made.id} ({made.request.kind}): {what}.")


@request.command("list")
@STATUS
@VENUE
@SESSION
@OLDER_THAN
@LIMIT
@CURSOR
@JSON
def list_requests(
    status: str | None,
    venue_id: str | None,
    session_id: str | None,
    older_than_seconds: int | None,
    limit: int | None,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List requests: those in progress, oldest first, and then the rest, newest first."""

    def read(at: str | None, most: int | None = None) -> RequestPage:
        return floor_queries().requests(
            status=status,
            venue_id=venue_id,
            session_id=session_id,
            older_than_seconds=older_than_seconds,
            limit=most,
            cursor=at,
        )

    if as_json:
        echo_json(RequestList.of(read(cursor, limit), SYSTEM))
        return
    echo_table(
        ("ID", "SESSION", "KIND", "STATUS", "MADE AT"),
        (_request_cells(each) for page in all_pages(read) for each in page.requests),
    )


def _request_cells(each: RequestView) -> Sequence[object]:
    made_at = f"{each.created_at:%Y-%m-%d %H:%M:%S}"
    return each.id, each.session_id, each.kind, each.status, made_at


@click.group("order", cls=CommandGroup)
def order() -> None:
    """Place and list orders."""


@order.command("place")
@click.argument("session_id", metavar="SESSION")
@click.argument("items", metavar="ITEM...", nargs=-1, required=True)
@NOTE
@JSON
def place_order(session_id: str, items: tuple[str, ...], note: str | None, as_json: bool) -> None:
    """Place an order. An ITEM is a dish, such as Pizza, or several of it: 2xPizza.

    \b
    Example:
      flask --app app order place table-7 2xPizza "Mineral water"
    """
    lines = [_item_of(each) for each in items]
    placed = waiter_service().place_order(session_id, lines, note=note)
    if as_json:
        echo_json(Order.of(placed, SYSTEM))
    else:
        count = f"{placed.item_count} item{'' if placed.item_count == 1 else 's'}"
        click.echo(f"Order {placed.id} ({count}): placed.")


def _item_of(text: str) -> OrderItem:
    counted = _COUNTED.fullmatch(text)
    return OrderItem(counted[2], int(counted[1])) if counted else OrderItem(text, 1)


@order.command("list")
@STATUS
@VENUE
@SESSION
@OLDER_THAN
@LIMIT
@CURSOR
@JSON
def list_orders(
    status: str | None,
    venue_id: str | None,
    session_id: str | None,
    older_than_seconds: int | None,
    limit: int | None,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List orders: those in progress, oldest first, and then the rest, newest first."""

    def read(at: str | None, most: int | None = None) -> OrderPage:
        return floor_queries().orders(
            status=status,
            venue_id=venue_id,
            session_id=session_id,
            older_than_seconds=older_than_seconds,
            limit=most,
            cursor=at,
        )

    if as_json:
        echo_json(OrderList.of(read(cursor, limit), SYSTEM))
        return
    echo_table(
        ("ID", "SESSION", "ITEMS", "STATUS", "PLACED AT"),
        (_order_cells(each) for page in all_pages(read) for each in page.orders),
    )


def items_of(each: OrderView) -> str:
    """Return ``2 x Pizza, 1 x Water``."""
    return ", ".join(f"{item.quantity} x {item.name}" for item in each.items)


def _order_cells(each: OrderView) -> Sequence[object]:
    return (
        each.id,
        each.session_id,
        items_of(each),
        each.status,
        f"{each.created_at:%Y-%m-%d %H:%M:%S}",
    )
