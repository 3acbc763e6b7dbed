"""``session``: guests sit down, move and leave."""

from __future__ import annotations

from collections.abc import Sequence

import click
from flask import current_app

from api.cursors import UNKNOWN_CURSOR
from api.join_desk import JoinDesk
from api.lists import SessionList
from api.resources import SeatedSession, Session
from api.snapshots import TableSnapshot
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
from runtime.cli.tickets import items_of
from waiter_service import SYSTEM, SessionPage, SessionView


@click.group("session", cls=CommandGroup)
def session() -> None:
    """Open tables, move their guests, and close them."""


@session.command("open")
@click.argument("table", type=int)
@click.argument("waiter_id", metavar="WAITER")
@JSON
def open_session(table: int, waiter_id: str, as_json: bool) -> None:
    """Open TABLE for WAITER; print the session's id and the code its guests join by.

    \b
    Example:
      flask --app app session open 5 anna
    """
    opened = Session.of(waiter_service().open_session(table, waiter_id))
    desk: JoinDesk = current_app.extensions["join_desk"]
    code = desk.code_for(opened.id, SYSTEM)
    if as_json:
        echo_json(SeatedSession.of(opened, code))
        return
    click.echo(f"Session: {opened.id}")
    click.echo(f"Join code: {code.join_code}")
    if code.join_url is not None:
        click.echo(f"Join page: {code.join_url}")


@session.command("close")
@click.argument("session_id", metavar="ID")
@click.option("--force", is_flag=True, help="Also with orders unfinished; needs --reason.")
@REASON
@JSON
def close_session(session_id: str, force: bool, reason: str | None, as_json: bool) -> None:
    """Close a session: its guests have left."""
    closed = waiter_service().close_session(session_id, force=force, reason=reason)
    if as_json:
        echo_json(Session.of(closed.session))
    else:
        what = "is closed now" if closed.changed else "was closed already"
        click.echo(f"Session {closed.id} {what}.")


@session.command("move")
@click.argument("session_id", metavar="ID")
@click.argument("table", type=int)
@REASON
@JSON
def move_session(session_id: str, table: int, reason: str | None, as_json: bool) -> None:
    """Give the guests of a session another, free TABLE.

    
    Example:
      flask --app app session move table-7 12
    """
    moved = waiter_service().move_session(session_id, table, reason=reason)
    if as_json:
        echo_json(Session.of(moved.session))
    else:
        what = "is at" if moved.changed else "was already at"
        click.echo(f"Session {moved.id} {what} table {moved.session.table_number}.")


@session.command("reopen")
@click.argument("session_id", metavar="ID")
@REASON
@JSON
def reopen_session(session_id: str, reason: str | None, as_json: bool) -> None:
    """Reopen a session that was closed by mistake."""
    reopened = waiter_service().reopen_session(session_id, reason=reason)
    if as_json:
        echo_json(Session.of(reopened.session))
    else:
        what = "is open again" if reopened.changed else "was open already"
        click.echo(f"Session {reopened.id} {what}.")


@session.command("list")
@click.option("--table", type=int, metavar="N", help="Only of this table.")
@click.option("--waiter", "waiter_id", metavar="ID", help="Only of this waiter.")
@click.option("--venue", "venue_id", metavar="ID", help="Only of this venue.")
@click.option("--closed", is_flag=True, help="The closed ones, newest first.")
@click.option("--all", "every", is_flag=True, help="Open and closed ones, newest first.")
@LIMIT
@CURSOR
@JSON
def list_sessions(
    table: int | None,
    waiter_id: str | None,
    venue_id: str | None,
    closed: bool,
    every: bool,
    limit: int | None,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List the open sessions, by venue and table."""
    if closed and every:
        raise click.UsageError("--closed and --all exclude each other")

    def read(at: str | None, most: int | None = None) -> SessionPage:
        return floor_queries().sessions(
            is_open=None if every else not closed,
            table_number=table,
            waiter_id=waiter_id,
            venue_id=venue_id,
            limit=most,
            cursor=at,
        )

    if as_json:
        echo_json(SessionList.of(read(cursor, limit)))
        return
    echo_table(
        ("TABLE", "ID", "WAITER", "VENUE", "OPENED AT", "CLOSED AT"),
        (_cells(each) for page in all_pages(read) for each in page.sessions),
    )


def _cells(each: SessionView) -> Sequence[object]:
    opened, closed = each.opened_at, each.closed_at
    return each.table_number, each.id, each.waiter_id, each.venue_id, opened, closed


@session.command("show")
@click.argument("session_id", metavar="ID")
@JSON
def show_session(session_id: str, as_json: bool) -> None:
    """Show a session: what is open in it, and what was finished last."""
    snapshot = floor_queries().session_snapshot(session_id)
    if as_json:
        # The histories are in the process that serves, so a stream loads everything first.
        echo_json(TableSnapshot.of(snapshot, SYSTEM, UNKNOWN_CURSOR))
        return
    shown = snapshot.session
    state = "open" if shown.is_open else "closed"
    click.echo(f"Session {shown.id}: table {shown.table_number}, {shown.waiter_id}, {state}.")
    rows = [
        *((each.id, each.kind, each.status, each.note) for each in snapshot.requests),
        *((each.id, items_of(each), each.status, each.note) for each in snapshot.orders),
    ]
    if rows:
        echo_table(("ID", "WHAT", "STATUS", "NOTE"), rows)
