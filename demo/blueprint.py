"""The demo page: a guest's phone, two waiters' floors and what travels between them.

Registered only where ``DEMO=1``: it hands tokens to whoever opens it.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from flask import Blueprint, Response, make_response, render_template
from flask_jwt_extended import create_access_token

# A long shift: whoever leaves the page open over lunch finds it alive.
TOKEN_LIFETIME = timedelta(hours=12)

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
        "guest": {"id": "table-7", "token": _token("customer", "table-7")},
        "anna": {"id": "anna", "name": "Anna", "token": _token("waiter", "anna")},
        "ben": {"id": "ben", "name": "Ben", "token": _token("waiter", "ben")},
    }
    response = make_response(render_template("page.html", screens=screens))
    response.headers["Cache-Control"] = "no-store"
    return response


def _token(role: str, subject: str) -> str:
    token: str = create_access_token(
        identity=subject, additional_claims={"role": role}, expires_delta=TOKEN_LIFETIME
    )
    return token
