"""``/api``: the floor over HTTP. Only translates; ``operations/`` holds what is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import UnsupportedMediaType

from api import bodies, problems, retries
from api.access import Access
from api.bodies import MAX_ERRORS, MAX_SHOWN_NAME_CHARS, Body
from api.call import Answer, Call
from api.errors import IfMatchRefused, UnknownParameters
from api.filters import whole_number
from api.openapi import document
from api.operation import Operation, Services
from api.operations import OPERATIONS
from api.retries import Retries
from notifications.access.auth import bearer_token
from notifications.entrance.entrance import StreamEntrance
from waiter_service.actors import ANONYMOUS, Actor
from waiter_service.errors import ValidationError
from waiter_service.reading.pages import MAX_LIMIT
from waiter_service.store.idempotency import IdempotencyStore


def create_blueprint(
    services: Services, idempotency: IdempotencyStore, entrance: StreamEntrance
) -> Blueprint:
    """Return the blueprint of the operations, carried out by ``services``.

    ``entrance`` knows who calls and from where. The application needs
    ``notifications.entrance.problems.init_app`` too, which answers the errors that the API
    shares with the streams.
    """
    blueprint = Blueprint("api", __name__, url_prefix="/api")
    access = Access(entrance)
    retrying = Retries(idempotency)

    def view_of(operation: Operation) -> Callable[..., Response]:
        is_change = operation.method != "GET"

        def view(**ids: str) -> Response:
            forwarded_for = request.headers.get("X-Forwarded-For")
            address = entrance.client_of(request.remote_addr, forwarded_for)
            if operation.is_public:
                _refuse_unknown(operation.parameters)
                return _response(answer(_call(operation, ANONYMOUS, address), ids))
            token = bearer_token(request.headers.get("Authorization"))
            actor = access.actor_of(token, address, is_change=is_change)
            operation.require_role(actor)
            _refuse_unknown(operation.parameters)
            with access.turn(actor, is_change=is_change):
                return _response(answer(_call(operation, actor, address), ids))

        def answer(call: Call[Any], ids: Mapping[str, str]) -> Answer:
            def do() -> Answer:
                return operation.handle(services, call, *ids.values())

            def require_allowed() -> None:
                operation.require_still_allowed(services, call.actor, ids)

            done = retrying.once(call, do, require_allowed) if operation.is_retried_safely else do()
            return operation.complete(services, call, done) if operation.complete else done

        return view

    for operation in OPERATIONS:
        rule = operation.path.replace("{", "<").replace("}", ">")
        blueprint.add_url_rule(rule, operation.name, view_of(operation), methods=[operation.method])

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        _refuse_unknown(())
        return _response(Answer(200, document.document(request.script_root)))

    for error, handler in problems.HANDLERS.items():
        blueprint.register_error_handler(error, handler)
    return blueprint


def _refuse_unknown(parameters: Sequence[str]) -> None:
    """Refuse what would be ignored: the client would believe that it had an effect."""
    unknown = [name[:MAX_SHOWN_NAME_CHARS] for name in request.args if name not in parameters]
    if unknown:
        raise UnknownParameters(unknown[:MAX_ERRORS], parameters)
    for name in parameters:
        if len(request.args.getlist(name)) > 1:
            raise ValidationError(name, "must be given once")
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
        limit=_limit() if operation.is_paged else None,
        cursor=request.args.get("cursor") if operation.is_paged else None,
        filters={
            each.argument: each.parse(each.name, request.args[each.name])
            for each in operation.filters
            if each.name in request.args
        },
    )


def _limit() -> int | None:
    given = request.args.get("limit")
    return None if given is None else whole_number("limit", given, least=1, most=MAX_LIMIT)


def _body(operation: Operation) -> Body | None:
    if operation.body is None:
        return None
    raw = request.get_data()
    if request.content_length is None:
        # A body in chunks is silently cut off at MAX_CONTENT_LENGTH; only reading
        # beyond that raises RequestEntityTooLarge.
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
