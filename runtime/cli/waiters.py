"""``waiter``: the waiters, and what they do on the floor."""

from __future__ import annotations

import click

from api.lists import WaiterList
from api.resources import Waiter
from runtime.cli import handovers
from runtime.cli.group import (
    CURSOR,
    JSON,
    LIMIT,
    REASON,
    CommandGroup,
    all_pages,
    echo_json,
    floor_queries,
    waiter_service,
)
from runtime.cli.tables import echo_table
from waiter_service import TransferCause, WaiterPage


@click.group("waiter", cls=CommandGroup)
def waiter() -> None:
    """Act on the floor; every screen that it concerns follows."""


for command in handovers.COMMANDS:
    waiter.add_command(command)


@waiter.command("add")
@click.argument("waiter_id", metavar="ID")
@click.argument("name")
@click.option("--venue", "venue_id", metavar="ID", help="Where they work. [default: main]")
@JSON
def add(waiter_id: str, name: str, venue_id: str | None, as_json: bool) -> None:
    """Add a waiter, or change the NAME of an existing one.

    \b
    Example:
      flask --app app waiter add anna "Anna"
    """
    added = waiter_service().add_waiter(waiter_id, name, venue_id=venue_id)
    if as_json:
        echo_json(Waiter.of(added.waiter))
    else:
        what = "added" if added.created else "known already"
        click.echo(f"Waiter {added.waiter.id} ({added.waiter.name}): {what}.")


@waiter.command("list")
@click.option("--venue", "venue_id", metavar="ID", help="Only of this venue.")
@click.option("--on-shift/--off-shift", default=None, help="Only those who are on, or off, shift.")
@LIMIT
@CURSOR
@JSON
def list_waiters(
    venue_id: str | None,
    on_shift: bool | None,
    limit: int | None,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List the waiters."""

    def read(at: str | None, most: int | None = None) -> WaiterPage:
        return floor_queries().waiters(venue_id=venue_id, on_shift=on_shift, limit=most, cursor=at)

    if as_json:
        echo_json(WaiterList.of(read(cursor, limit)))
        return
    echo_table(
        ("ID", "NAME", "VENUE", "SHIFT"),
        (
            (each.id, each.name, each.venue_id, "on" if each.is_on_shift else "off")
            for page in all_pages(read)
            for each in page.waiters
        ),
    )


@waiter.command("request-status")
@click.argument("request_id", metavar="ID")
@click.argument("status")
@REASON
def request_status(request_id: str, status: str, reason: str | None) -> None:
    """Set a guest's request to STATUS.

    \b
    Example:
      flask --app app waiter request-status req-1 Acknowledged
    """
    result = waiter_service().update_request_status(request_id, status, reason=reason)
    _say(f"Request {request_id}", result.changed, result.status)


@waiter.command("order-status")
@click.argument("order_id", metavar="ID")
@click.argument("status")
@REASON
def order_status(order_id: str, status: str, reason: str | None) -> None:
    """Set an order to STATUS.

    \b
    Example:
      flask --app app waiter order-status ord-1 InProgress
    """
    result = waiter_service().update_order_status(order_id, status, reason=reason)
    _say(f"Order {order_id}", result.changed, result.status)


def _say(thing: str, changed: bool, status: str) -> None:
    click.echo(f"{thing} is now {status}." if changed else f"{thing} was {status} already.")


@waiter.command("transfer")
@click.option("--from", "from_waiter_id", metavar="WAITER", help="Who hands over.")
@click.option("--to", "to_waiter_id", metavar="WAITER", required=True, help="Who takes over.")
@click.option(
    "--session",
    "session_ids",
    metavar="ID",
    multiple=True,
    help="Only this session; may be repeated. Default: all of --from's.",
)
@click.option(
    "--cause",
    type=click.Choice([cause.value for cause in TransferCause]),
    default=TransferCause.SHIFT_CHANGE.value,
    show_default=True,
    help="Told to the guests; other says nothing.",
)
@REASON
def transfer(
    from_waiter_id: str | None,
    to_waiter_id: str,
    session_ids: tuple[str, ...],
    cause: str,
    reason: str | None,
) -> None:
    """Hand sessions over to another waiter: all of them, or none.

    \b
    Examples:
      flask --app app waiter transfer --from anna --to ben
      flask --app app waiter transfer --to ben --session table-5 --session table-7 --cause break
    """
    if from_waiter_id is None and not session_ids:
        raise click.UsageError("say whose sessions (--from WAITER) or which (--session ID)")
    result = waiter_service().transfer_sessions(
        to_waiter_id=to_waiter_id,
        from_waiter_id=from_waiter_id,
        session_ids=session_ids or None,
        cause=cause,
        reason=reason,
    )
    if result.changed:
        moved = ", ".join(session.id for session in result.moved)
        click.echo(f"Now with {to_waiter_id}: {moved}.")
    else:
        click.echo(f"Nothing to hand over to {to_waiter_id}.")
