"""The demo page: a guest's phone, two waiters' floors and what travels between them.

Registered only where ``DEMO=1``: it hands tokens to whoever opens it.
"""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, make_response, render_template

from notifications.auth import create_token
from notifications.principal import Role

# A long shift: whoever leaves the page open over lunch finds it alive.
TOKEN_SECONDS = 12 * 3600

blueprint = Blueprint(
    "demo",
    __name__,
    url_prefix="/demo",
    static_folder="static",
    template_folder=str(Path(__file__).parent),
)


@blueprint.get("", strict_slashes=False)
def page() -> Response:
    """Return the page, with a token for each of the three screens on it."""
    screens = {
        "guest": {"id": "table-7", "token": _token(Role.CUSTOMER, "table-7")},
        "anna": {"id": "anna", "name": "Anna", "token": _token(Role.WAITER, "anna")},
        "ben": {"id": "ben", "name": "Ben", "token": _token(Role.WAITER, "ben")},
    }
    response = make_response(render_template("page.html", screens=screens))
    response.headers["Cache-Control"] = "no-store"
    return response


def _token(role: Role, subject: str) -> str:
    return create_token(role, subject, lifetime_seconds=TOKEN_SECONDS)
