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
from waiter_service import TransferCause


@click.group("waiter", cls=CommandGroup)
def waiter() -> None:
    """Act on the floor; every screen that it concerns follows."""


for command in handovers.COMMANDS:
    waiter.add_command(command)


@waiter.command("add")
@click.argument("waiter_id", metavar="ID")
@click.argument("name")
@JSON
def add(waiter_id: str, name: str, as_json: bool) -> None:
    """Add a waiter, or change the NAME of an existing one.

    \b
    Example:
      flask --app app waiter add anna "Anna"
    """
    added = waiter_service().add_waiter(waiter_id, name)
    if as_json:
        echo_json(Waiter.of(added.waiter))
    else:
        what = "added" if added.created else "known already"
        click.echo(f"Waiter {added.waiter.id} ({added.waiter.name}): {what}.")


@waiter.command("list")
@LIMIT
@CURSOR
@JSON
def list_waiters(limit: int | None, cursor: str | None, as_json: bool) -> None:
    """List the waiters, one a line: id and name."""
    queries = floor_queries()
    if as_json:
        echo_json(WaiterList.of(queries.waiters(limit=limit, cursor=cursor)))
        return
    for page in all_pages(lambda at: queries.waiters(cursor=at)):
        for each in page.waiters:
            click.echo(f"{each.id}\t{each.name}")


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
