"""``session``: guests sit down, move and leave."""

from __future__ import annotations

import click
from flask import current_app

from api.join_desk import JoinDesk
from api.lists import SessionList
from api.resources import SeatedSession, Session
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
from waiter_service import SYSTEM


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
@LIMIT
@CURSOR
@JSON
def list_sessions(table: int | None, limit: int | None, cursor: str | None, as_json: bool) -> None:
    """List the open sessions by table, one a line: table, id and waiter."""
    queries = floor_queries()
    if as_json:
        page = queries.sessions(table_number=table, limit=limit, cursor=cursor)
        echo_json(SessionList.of(page))
        return
    for page in all_pages(lambda at: queries.sessions(table_number=table, cursor=at)):
        for each in page.sessions:
            click.echo(f"{each.table_number}\t{each.id}\t{each.waiter_id}")
