"""The commands that make tokens, and withdraw them."""

from __future__ import annotations

from collections.abc import Callable

import click
from flask import current_app
from flask.cli import with_appcontext

from notifications.access import auth
from notifications.principal import Role
from runtime.cli.group import CommandGroup, waiter_service
from waiter_service import Actor, inputs
from waiter_service.actors import ALL_VENUES, MAIN_VENUE
from waiter_service.errors import DatabaseError, Missing
from waiter_service.reading.venue_directory import VenueDirectory
from waiter_service.revocations import KEPT_FOR, Revocations, RevokedKind

# A long shift, so that a token made by hand need not be made again soon.
DEFAULT_TOKEN_SECONDS = 12 * 3600

# Each role, what its argument is, and whether --venue says where the bearer works.
_ROLES = (
    (Role.CUSTOMER, "ID", "ID is the session's.", False),
    (Role.WAITER, "ID", "ID is the waiter's.", False),
    (Role.MANAGER, "ID", "ID is the manager's; good for every stream of the venue.", True),
    (Role.KITCHEN, "VENUE", "For the kitchen's screens.", False),
    (Role.DISPLAY, "VENUE", "For a wall screen, which shows the floor and can do nothing.", False),
    (Role.SERVICE, "ID", "ID is a program's, which publishes notifications by hand.", True),
)

_venue_option = click.option(
    "--venue",
    default=MAIN_VENUE,
    show_default=True,
    help=f'The venue, or "{ALL_VENUES}" for all.',
)


def mint(
    role: str,
    subject: str,
    lifetime_seconds: int = DEFAULT_TOKEN_SECONDS,
    *,
    venue_id: str = MAIN_VENUE,
) -> str:
    """Return a token for the venue; a kitchen's and a display's is ``subject``.

    Raises:
        ValidationError: an id that no session, waiter, manager or venue can have.
    """
    if role in (Role.MANAGER, Role.SERVICE):
        Actor.manager(subject)
    else:
        inputs.identifier("ID", subject)
    if role in (Role.KITCHEN, Role.DISPLAY):
        venue_id = subject
    if venue_id != ALL_VENUES:
        inputs.identifier("venue", venue_id)
    claims = {} if venue_id == MAIN_VENUE else {"venue": venue_id}
    return auth.create_token(Role(role), subject, lifetime_seconds=lifetime_seconds, claims=claims)


def _venue_of(waiter_id: str) -> str:
    try:
        inputs.identifier("ID", waiter_id)
        directory = VenueDirectory(waiter_service().database)
        return directory.look_up("waiter", [waiter_id]).get(waiter_id, MAIN_VENUE)
    except DatabaseError as error:
        click.echo(f"-- {error}; the token is for {MAIN_VENUE}", err=True)
        return MAIN_VENUE


@click.group("token", cls=CommandGroup)
def token() -> None:
    """Make tokens, and withdraw them.

    \b
    Example:
      TOKEN=$(flask --app app token waiter anna)
      curl -N -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/sse/waiter/anna
    """


def _add_token_command(role: Role, metavar: str, what_it_is: str, takes_venue: bool) -> None:
    def make(subject: str, expires_in: int, venue: str = MAIN_VENUE) -> None:
        venue_id = _venue_of(subject) if role is Role.WAITER else venue
        click.echo(mint(role, subject, expires_in, venue_id=venue_id))

    command: Callable[..., None] = with_appcontext(make)
    command = click.option(
        "--expires-in",
        # A revocation is deleted after this time; the token must have expired by then.
        type=click.IntRange(1, int(KEPT_FOR.total_seconds())),
        default=DEFAULT_TOKEN_SECONDS,
        show_default=True,
        metavar="SECONDS",
        help="How long it is good for.",
    )(command)
    if takes_venue:
        command = _venue_option(command)
    command = click.argument("subject", metavar=metavar)(command)
    help_text = f"Print a {role}'s token, and nothing else. {what_it_is}"
    token.command(role, help=help_text)(command)


for _role in _ROLES:
    _add_token_command(*_role)


@token.command("revoke")
@click.option("--jti", metavar="JTI", help="One token, by its jti claim, and those made from it.")
@click.option("--waiter", "waiter_id", metavar="ID", help="All that this waiter holds.")
@click.option("--manager", "manager_id", metavar="ID", help="All that this manager holds.")
@click.option("--session", "session_id", metavar="ID", help="All that this table's guests hold.")
@click.option("--kitchen", "kitchen_id", metavar="VENUE", help="All that this kitchen holds.")
@click.option("--display", "display_id", metavar="VENUE", help="All of this venue's wall screens.")
@click.option("--service", "service_id", metavar="ID", help="All that this program holds.")
@_venue_option
@click.option("--force", is_flag=True, help="Also where no such ID or venue is known.")
def token_revoke(
    jti: str | None,
    waiter_id: str | None,
    manager_id: str | None,
    session_id: str | None,
    kitchen_id: str | None,
    display_id: str | None,
    service_id: str | None,
    venue: str,
    force: bool,
) -> None:
    """Withdraw access: open streams end within a second, for good.

    --venue says where a manager or a program works. It withdraws their tokens for all venues
    as well, and with "*" every token they hold.

    \b
    Examples:
      flask --app app token revoke --waiter anna
      flask --app app token revoke --manager mia@example.com --venue north
      flask --app app token revoke --session table-7
      flask --app app token revoke --jti 3c1f0f8e-6c0e-4a2b-9d53-0a4f6c1b2d3e
    """
    revocations: Revocations = current_app.extensions["revocations"]
    asked = {
        RevokedKind.TOKEN: jti,
        RevokedKind.WAITER: waiter_id,
        RevokedKind.MANAGER: manager_id,
        RevokedKind.SESSION: session_id,
        RevokedKind.KITCHEN: kitchen_id,
        RevokedKind.DISPLAY: display_id,
        RevokedKind.SERVICE: service_id,
    }
    given = {kind: subject for kind, subject in asked.items() if subject is not None}
    if not given:
        raise click.UsageError(
            "say whose (--waiter, --manager, --session, --kitchen, --display or --service ID)"
            " or which (--jti JTI)"
        )
    try:
        revocations.revoke(given, must_be_known=not force, venue_id=venue)
    except Missing as error:
        raise click.ClickException(f"{error}; nothing was revoked (--force does it)") from error
    for subject in given.values():
        click.echo(f"Revoked: {subject}.")
