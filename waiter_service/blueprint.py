"""``/api``: the floor over HTTP. Only translates; what is done is in ``api/``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import UnsupportedMediaType

from waiter_service.actors import Actor
from waiter_service.api import bodies, failures, retries
from waiter_service.api.bodies import Body
from waiter_service.api.call import Answer, Call
from waiter_service.api.floor_api import CursorOf, FloorApi, GuestToken
from waiter_service.api.operation import OPERATIONS, Operation
from waiter_service.api.retries import Retries
from waiter_service.idempotency import IdempotencyStore
from waiter_service.queries import FloorQueries
from waiter_service.service import WaiterService

Authenticate = Callable[[str | None, str | None, str | None], Actor]
"""From a bearer token, the peer's address and ``X-Forwarded-For`` to who sends it.

Raises ``NotAuthenticated``, ``NotAllowed`` or ``TooManyCalls``.
"""

Turn = Callable[[Actor], AbstractContextManager[None]]
"""Waits until a call of this actor may be carried out; may raise ``TooManyCalls``."""


def create_blueprint(
    service: WaiterService,
    queries: FloorQueries,
    idempotency: IdempotencyStore,
    *,
    authenticate: Authenticate,
    cursor_of: CursorOf,
    guest_token: GuestToken,
    turn: Turn = lambda actor: nullcontext(),
) -> Blueprint:
    """Return the blueprint for the API of ``service``.

    Args:
        authenticate: from a bearer token to an actor.
        turn: what each call waits for, once it is known who calls.
        cursor_of: where the channel of a session or a waiter stands.
        guest_token: makes a token for the guests of a session.
    """
    blueprint = Blueprint("api", __name__, url_prefix="/api")
    api = FloorApi(service, queries, cursor_of=cursor_of, guest_token=guest_token)
    retrying = Retries(idempotency)

    def view_of(operation: Operation) -> Callable[..., Response]:
        def view(**ids: str) -> Response:
            forwarded_for = request.headers.get("X-Forwarded-For")
            actor = authenticate(_bearer_token(), request.remote_addr, forwarded_for)
            operation.require_role(actor)
            with turn(actor):
                return _response(answer(actor, ids))

        def answer(actor: Actor, ids: Mapping[str, str]) -> Answer:
            call = _call(operation, actor)

            def do() -> Answer:
                return operation.handle(api, call, *ids.values())

            done = retrying.once(call, do) if operation.is_retried_safely else do()
            return operation.complete(api, done)

        return view

    for operation in OPERATIONS:
        rule = operation.path.replace("{", "<").replace("}", ">")
        blueprint.add_url_rule(rule, operation.name, view_of(operation), methods=[operation.method])
    blueprint.add_url_rule("/openapi.json", "openapi", _document)
    for error, handler in failures.HANDLERS.items():
        blueprint.register_error_handler(error, handler)
    return blueprint


def _bearer_token() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _call(operation: Operation, actor: Actor) -> Call[Any]:
    key = request.headers.get(retries.HEADER) if operation.is_retried_safely else None
    return Call(
        actor=actor,
        name=f"{request.method} {request.path}",
        body=_body(operation),
        key=retries.checked_key(key),
    )


def _body(operation: Operation) -> Body | None:
    if operation.body is None:
        return None
    raw = request.get_data()
    if request.content_length is None:
        # In chunks, what is beyond MAX_CONTENT_LENGTH is cut off unseen; only
        # asking for more than that raises RequestEntityTooLarge.
        request.stream.read(1)
    if operation.body_is_optional and not raw:
        return None
    if not request.is_json:
        raise UnsupportedMediaType("The body must be JSON: Content-Type: application/json.")
    return bodies.parse(operation.body, raw)


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, dict(answer.headers))
    response.content_type = "application/json"
    if (location := response.headers.get("Location")) is not None:
        response.headers["Location"] = request.script_root + location
    response.headers["Cache-Control"] = "no-store"
    return response


def _document() -> Response:
    # Not above: its library takes 8 MB, in each worker, for what is read once.
    from waiter_service.api import openapi

    return _response(Answer(200, openapi.document()))
