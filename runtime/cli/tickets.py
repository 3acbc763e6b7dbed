"""``request`` and ``order``: what guests ask for and order."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

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
from waiter_service import SYSTEM, OrderItem, OrderView

NOTE = click.option("--note", metavar="TEXT", help="For the staff.")

#: The options of both lists; all but the last three narrow the list.
_LIST_OPTIONS = (
    click.option("--status", metavar="STATUS", help="Only with this status."),
    click.option("--venue", "venue_id", metavar="ID", help="Only of this venue."),
    click.option("--session", "session_id", metavar="ID", help="Only of this session."),
    click.option(
        "--older-than",
        "older_than_seconds",
        type=int,
        metavar="SECONDS",
        help="Only older ones.",
    ),
    LIMIT,
    CURSOR,
    JSON,
)

#: ``2xPizza``: how many, and of what.
_COUNTED = re.compile(r"(\d+)x(.+)", re.DOTALL)


def _list_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_LIST_OPTIONS):
        command = option(command)
    return command


def items_of(each: OrderView) -> str:
    """Return ``2 x Pizza, 1 x Water``."""
    return ", ".join(f"{item.quantity} x {item.name}" for item in each.items)


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
@_list_options
def list_requests(limit: int | None, cursor: str | None, as_json: bool, **filters: Any) -> None:
    """List requests: those in progress, oldest first, and then the rest, newest first."""
    read = partial(floor_queries().requests, **filters)
    if as_json:
        echo_json(RequestList.of(read(limit=limit, cursor=cursor), SYSTEM))
        return
    found = all_pages(lambda at: read(cursor=at))
    echo_table(
        ("ID", "SESSION", "KIND", "STATUS", "MADE AT"),
        (
            (each.id, each.session_id, each.kind, each.status, each.created_at)
            for page in found
            for each in page.requests
        ),
    )


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
@_list_options
def list_orders(limit: int | None, cursor: str | None, as_json: bool, **filters: Any) -> None:
    """List orders: those in progress, oldest first, and then the rest, newest first."""
    read = partial(floor_queries().orders, **filters)
    if as_json:
        echo_json(OrderList.of(read(limit=limit, cursor=cursor), SYSTEM))
        return
    found = all_pages(lambda at: read(cursor=at))
    echo_table(
        ("ID", "SESSION", "ITEMS", "STATUS", "PLACED AT"),
        (
            (each.id, each.session_id, items_of(each), each.status, each.created_at)
            for page in found
            for each in page.orders
        ),
    )
