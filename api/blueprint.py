"""``/api``: the floor over HTTP. Only translates; what is done is in ``api/``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import UnsupportedMediaType

from api import bodies, failures, retries
from api.bodies import MAX_ERRORS, MAX_SHOWN_NAME_CHARS, Body
from api.call import Answer, Call
from api.errors import IfMatchRefused, UnknownParameters
from api.floor_api import CursorOf, FirstCursorOf, FloorApi
from api.joining import JoinDesk
from api.operation import OPERATIONS, Operation
from api.retries import Retries
from notifications.access.auth import bearer_token
from waiter_service.actors import NOBODY, Actor
from waiter_service.errors import ValidationError
from waiter_service.inputs import MAX_TABLE_NUMBER
from waiter_service.queries import FloorQueries
from waiter_service.reading.pages import MAX_LIMIT
from waiter_service.service import WaiterService
from waiter_service.store.idempotency import IdempotencyStore

Authenticate = Callable[[str | None, str, bool], Actor]
"""From a bearer token, the client's address and whether to change something to who calls.

Raises ``NotAuthenticated``, ``NotAllowed`` or ``TooManyCalls``.
"""

Turn = Callable[[Actor, bool], AbstractContextManager[None]]
"""Waits until a call of this actor may be carried out; may raise ``TooManyCalls``."""

AddressOf = Callable[[str | None, str | None], str]
"""From the peer's address and the X-Forwarded-For header to the client's address."""


def create_blueprint(
    service: WaiterService,
    queries: FloorQueries,
    idempotency: IdempotencyStore,
    *,
    authenticate: Authenticate,
    cursor_of: CursorOf,
    first_cursor_of: FirstCursorOf,
    desk: JoinDesk,
    address_of: AddressOf,
    document: Callable[[str], str],
    turn: Turn = lambda actor, is_change: nullcontext(),
) -> Blueprint:
    """Return the blueprint for the API of ``service``.

    Args:
        authenticate: from a bearer token to an actor, counting the call.
        turn: what each call waits for, once it is known who calls, and whether to change something.
        cursor_of: where the channel of a session or a waiter stands.
        first_cursor_of: where it begins.
        desk: lets guests in by their join codes.
        address_of: from the peer's address and X-Forwarded-For to the client's.
        document: from the path that the service is below to the OpenAPI document of all
            that is served, as JSON.
    """
    blueprint = Blueprint("api", __name__, url_prefix="/api")
    api = FloorApi(
        service, queries, cursor_of=cursor_of, first_cursor_of=first_cursor_of, desk=desk
    )
    parts: dict[type, FloorApi | JoinDesk] = {FloorApi: api, JoinDesk: desk}
    retrying = Retries(idempotency)

    def view_of(operation: Operation) -> Callable[..., Response]:
        def view(**ids: str) -> Response:
            address = address_of(request.remote_addr, request.headers.get("X-Forwarded-For"))
            is_change = operation.method != "GET"
            actor = NOBODY
            if not operation.is_public:
                token = bearer_token(request.headers.get("Authorization"))
                actor = authenticate(token, address, is_change)
            operation.require_role(actor)
            _require_heeded(operation.parameters)
            with nullcontext() if operation.is_public else turn(actor, is_change):
                return _response(answer(_call(operation, actor, address), ids))

        def answer(call: Call[Any], ids: Mapping[str, str]) -> Answer:

            def do() -> Answer:
                return operation.handle(parts[operation.of], call, *ids.values())

            def require_allowed() -> None:
                operation.require_still_allowed(api, call.actor, ids)

            done = retrying.once(call, do, require_allowed) if operation.is_retried_safely else do()
            return operation.complete(api, call, done)

        return view

    for operation in OPERATIONS:
        rule = operation.path.replace("{", "<").replace("}", ">")
        blueprint.add_url_rule(rule, operation.name, view_of(operation), methods=[operation.method])

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        _require_heeded(())
        return _response(Answer(200, document(request.script_root)))

    for error, handler in failures.HANDLERS.items():
        blueprint.register_error_handler(error, handler)
    return blueprint


def _require_heeded(parameters: Sequence[str]) -> None:
    """Refuse what would go unheeded: the client would believe that it was heeded."""
    unknown = [name[:MAX_SHOWN_NAME_CHARS] for name in request.args if name not in parameters]
    if unknown:
        raise UnknownParameters(unknown[:MAX_ERRORS], parameters)
    if "If-Match" in request.headers:
        raise IfMatchRefused


def _call(operation: Operation, actor: Actor, address: str) -> Call[Any]:
    key = request.headers.get(retries.HEADER) if operation.is_retried_safely else None
    return Call(
        actor=actor,
        name=f"{request.method} {request.path}",
        body=_body(operation),
        key=retries.checked_key(key),
        address=address,
        limit=_number("limit", MAX_LIMIT) if operation.is_paged else None,
        cursor=request.args.get("cursor") if operation.is_paged else None,
        table=_number("table", MAX_TABLE_NUMBER) if operation.heeds_table else None,
    )


def _number(name: str, largest: int) -> int | None:
    given = request.args.get(name)
    if given is None:
        return None
    is_number = given.isascii() and given.isdecimal() and len(given) < 6
    if not (is_number and 1 <= int(given) <= largest):
        raise ValidationError(name, f"must be a whole number from 1 to {largest}")
    return int(given)


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
    response.content_type = answer.content_type
    if (location := response.headers.get("Location")) is not None:
        response.headers["Location"] = request.script_root + location
    response.headers["Cache-Control"] = "no-store"
    return response
