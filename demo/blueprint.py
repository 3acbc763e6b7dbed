"""The demo: screens of a guest, two waiters, a manager and the kitchen, on one page or alone.

Registered only where ``DEMO`` is set, because everyone who opens a page gets tokens.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, make_response, render_template, request, url_for

from demo.seed import WAITERS
from notifications.access.auth import create_token
from notifications.entrance.problem_types import ProblemCode
from notifications.entrance.problems import problem
from notifications.principal import Role
from waiter_service.actors import MAIN_VENUE

JoinCodeOf = Callable[[str], str | None]
"""Returns the join code of a session, given its id; None if its guests cannot join."""

Screen = Mapping[str, Any]
"""What a screen is made with: its kind, name, title and page, and whose it is."""

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
        template_folder="templates",
    )
    if not is_public:
        blueprint.before_request(_refuse_from_elsewhere)

    @blueprint.get("", strict_slashes=False)
    def page() -> Response:
        """Return all screens on one page, and the events sent to them."""
        return _page([guest(), *map(_waiter, WAITERS), _floor(), _kitchen()], is_whole=True)

    @blueprint.get("/guest")
    def guest_page() -> Response:
        """Return the guest's screen, for a phone."""
        return _page([guest()])

    @blueprint.get("/waiter")
    def waiter_page() -> Response:
        """Return the screen of the waiter that ``id`` names, for a phone."""
        waiter_id = request.args.get("id", WAITERS[0])
        if waiter_id not in WAITERS:
            return problem(
                ProblemCode.NOT_FOUND, f"The demo's waiters are {' and '.join(WAITERS)}."
            )
        return _page([_waiter(waiter_id)])

    @blueprint.get("/floor")
    def floor_page() -> Response:
        """Return the manager's floor, for a tablet."""
        return _page([_floor()])

    @blueprint.get("/kitchen")
    def kitchen_page() -> Response:
        """Return the kitchen's board, for a tablet."""
        return _page([_kitchen()])

    def guest() -> Screen:
        return {
            "kind": "guest",
            "name": "guest",
            "title": "Table 7",
            "page": url_for("demo.guest_page"),
            "id": "table-7",
            "joinCode": join_code_of("table-7"),
        }

    return blueprint


def _waiter(waiter_id: str) -> Screen:
    (colleague,) = (each for each in WAITERS if each != waiter_id)
    return {
        "kind": "waiter",
        "name": waiter_id,
        "title": waiter_id.title(),
        "page": url_for("demo.waiter_page", id=waiter_id),
        "id": waiter_id,
        "token": _token(Role.WAITER, waiter_id),
        "colleague": {"id": colleague, "name": colleague.title()},
    }


def _floor() -> Screen:
    return {
        "kind": "floor",
        "name": "floor",
        "title": "Floor",
        "page": url_for("demo.floor_page"),
        "id": MAIN_VENUE,
        "token": _token(Role.MANAGER, "mia"),
    }


def _kitchen() -> Screen:
    return {
        "kind": "kitchen",
        "name": "kitchen",
        "title": "Kitchen",
        "page": url_for("demo.kitchen_page"),
        "id": MAIN_VENUE,
        "token": _token(Role.KITCHEN, MAIN_VENUE),
    }


def _page(screens: list[Screen], *, is_whole: bool = False) -> Response:
    nonce = secrets.token_urlsafe(16)
    response = make_response(
        render_template("demo/page.html", screens=screens, is_whole=is_whole, nonce=nonce)
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = f"{_POLICY}; script-src 'self' 'nonce-{nonce}'"
    # For browsers that do not support the policy's frame-ancestors.
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


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
