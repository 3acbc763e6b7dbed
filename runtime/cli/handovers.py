"""``waiter shift`` and ``waiter offer``: waiters come, go, and hand tables over."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from api.lists import OfferList
from api.resources import Offer, Waiter
from runtime.cli.group import (
    CURSOR,
    JSON,
    LIMIT,
    REASON,
    all_pages,
    echo_json,
    floor_queries,
    waiter_service,
)
from runtime.cli.tables import echo_table
from waiter_service import OfferUpdate


@click.command("shift")
@with_appcontext
@click.argument("waiter_id", metavar="ID")
@click.argument("verb", metavar="start|end", type=click.Choice(["start", "end"]))
@click.option("--to", "to_waiter_id", metavar="WAITER", help="With end: who takes the tables over.")
@REASON
@JSON
def shift(
    waiter_id: str, verb: str, to_waiter_id: str | None, reason: str | None, as_json: bool
) -> None:
    """Start or end the shift of a waiter.

    A shift with tables in hand ends only with --to, and then all of them go to that waiter.

    \b
    Examples:
      flask --app app waiter shift anna start
      flask --app app waiter shift anna end --to ben
    """
    if verb == "start":
        if to_waiter_id is not None or reason is not None:
            raise click.UsageError("--to and --reason go with end")
        update = waiter_service().start_shift(waiter_id)
    else:
        update = waiter_service().end_shift(waiter_id, to_waiter_id=to_waiter_id, reason=reason)
    if as_json:
        echo_json(Waiter.of(update.waiter))
        return
    where = "on shift" if update.waiter.is_on_shift else "off shift"
    click.echo(f"Waiter {waiter_id} is {where}{'' if update.changed else ' already'}.")
    if update.moved:
        moved = ", ".join(session.id for session in update.moved)
        click.echo(f"Now with {to_waiter_id}: {moved}.")


@click.command("offer")
@with_appcontext
@click.option("--from", "from_waiter_id", metavar="WAITER", help="Who offers.")
@click.option("--to", "to_waiter_id", metavar="WAITER", required=True, help="Who may accept.")
@click.option(
    "--session",
    "session_ids",
    metavar="ID",
    multiple=True,
    help="Only this session; may be repeated. Default: all of --from's.",
)
@JSON
def offer(
    from_waiter_id: str | None, to_waiter_id: str, session_ids: tuple[str, ...], as_json: bool
) -> None:
    """Offer sessions to another waiter. Nothing moves until they accept.

    \b
    Example:
      flask --app app waiter offer --from anna --to ben
    """
    if from_waiter_id is None and not session_ids:
        raise click.UsageError("say whose sessions (--from WAITER) or which (--session ID)")
    update = waiter_service().offer_sessions(
        to_waiter_id=to_waiter_id, from_waiter_id=from_waiter_id, session_ids=session_ids or None
    )
    made = Offer.of(update.offer)
    if as_json:
        echo_json(made)
        return
    offered = ", ".join(made.session_ids)
    what = "made" if update.changed else "open already"
    click.echo(f"Offer {made.id}: {what}. {to_waiter_id} may accept {offered}.")


@click.command("offers")
@with_appcontext
@LIMIT
@CURSOR
@JSON
def offers(limit: int | None, cursor: str | None, as_json: bool) -> None:
    """List the offers, newest first."""
    queries = floor_queries()
    if as_json:
        echo_json(OfferList.of(queries.offers(limit=limit, cursor=cursor)))
        return
    found = all_pages(lambda at: queries.offers(cursor=at))
    echo_table(
        ("ID", "FROM", "TO", "OUTCOME", "SESSIONS"),
        (
            (
                each.id,
                each.from_waiter_id,
                each.to_waiter_id,
                each.outcome or "open",
                " ".join(each.session_ids),
            )
            for page in found
            for each in page.offers
        ),
    )


@click.command("accept")
@with_appcontext
@click.argument("offer_id", metavar="OFFER")
@JSON
def accept(offer_id: str, as_json: bool) -> None:
    """Accept an offer: all of its sessions move, or none."""
    _tell(waiter_service().accept_offer(offer_id), as_json)


@click.command("decline")
@with_appcontext
@click.argument("offer_id", metavar="OFFER")
@JSON
def decline(offer_id: str, as_json: bool) -> None:
    """Decline an offer, for the waiter who received it."""
    _tell(waiter_service().decline_offer(offer_id), as_json)


@click.command("withdraw")
@with_appcontext
@click.argument("offer_id", metavar="OFFER")
@JSON
def withdraw(offer_id: str, as_json: bool) -> None:
    """Withdraw an offer, for the waiter who made it."""
    _tell(waiter_service().withdraw_offer(offer_id), as_json)


def _tell(update: OfferUpdate, as_json: bool) -> None:
    if as_json:
        echo_json(Offer.of(update.offer))
        return
    already = "" if update.changed else " already"
    click.echo(f"Offer {update.id} is {update.offer.outcome}{already}.")
    if update.moved:
        moved = ", ".join(session.id for session in update.moved)
        click.echo(f"Now with {update.offer.to_waiter_id}: {moved}.")


#: The commands of this file, for the group ``waiter``.
COMMANDS = (shift, offer, offers, accept, decline, withdraw)
