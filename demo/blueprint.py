"""The demo page: a guest's phone, two waiters' floors, and the events sent to them.

Registered only where ``DEMO`` is set, because everyone who opens the page gets tokens.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, render_template, request

from notifications.access.auth import create_token
from notifications.entrance.problem_types import ProblemCode
from notifications.entrance.problems import problem
from notifications.principal import Role

JoinCodeOf = Callable[[str], str | None]
"""Returns the join code of a session, given its id; None if its guests cannot join."""

# A long shift: a page that stays open over lunch still works.
TOKEN_SECONDS = 12 * 3600

# The page holds tokens, so nothing from other hosts may run in it, and no other page may
# frame it. Its one inline script is the import map, which needs the answer's nonce.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def create_blueprint(join_code_of: JoinCodeOf, *, is_public: bool) -> Blueprint:
    """Return the demo's blueprint. Unless ``is_public``, it answers only this machine."""
    blueprint = Blueprint(
        "demo",
        __name__,
        url_prefix="/demo",
        static_folder="static",
        template_folder=str(Path(__file__).parent),
    )
    if not is_public:
        blueprint.before_request(_refuse_from_elsewhere)

    @blueprint.get("", strict_slashes=False)
    def page() -> Response:
        """Return the page, with the guest's join code and the waiters' tokens in it."""
        screens = {
            "guest": {"id": "table-7", "joinCode": join_code_of("table-7")},
            "anna": {"id": "anna", "name": "Anna", "token": _token(Role.WAITER, "anna")},
            "ben": {"id": "ben", "name": "Ben", "token": _token(Role.WAITER, "ben")},
        }
        nonce = secrets.token_urlsafe(16)
        response = make_response(render_template("page.html", screens=screens, nonce=nonce))
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Security-Policy"] = (
            f"{_POLICY}; script-src 'self' 'nonce-{nonce}'"
        )
        # For browsers that do not support the policy's frame-ancestors.
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return blueprint


def _refuse_from_elsewhere() -> Response | None:
    # A proxy on this machine also connects from here, for clients elsewhere.
    is_forwarded = any(
        name.lower() == "forwarded" or name.lower().startswith("x-forwarded-")
        for name in request.headers.keys()  # noqa: SIM118 - no mapping: its items are pairs
    )
    # A foreign page may point its own host name at this machine; its requests name that host.
    is_own_name = _is_this_machine(urlsplit(f"//{request.host}").hostname)
    if _is_loopback(request.remote_addr) and is_own_name and not is_forwarded:
        return None
    return problem(
        ProblemCode.DEMO_LOCAL_ONLY,
        "The demo answers this machine alone. Behind a proxy it needs DEMO=public.",
    )


def _is_this_machine(host: str | None) -> bool:
    return host is not None and (
        host == "localhost" or host.endswith(".localhost") or _is_loopback(host)
    )


def _is_loopback(peer: str | None) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _token(role: Role, subject: str) -> str:
    return create_token(role, subject, lifetime_seconds=TOKEN_SECONDS)
