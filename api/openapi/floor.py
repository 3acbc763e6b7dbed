"""The floor's part of the OpenAPI document, made from the list that is served.

Plain dictionaries, which the tests check with validators: libraries with types for the
document lag behind the specification, and those that also serve it answer in their own shape.
A model in the tree stands for its schema; ``document.py`` puts a reference there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from api.operation import Operation
from api.operations import OPERATIONS
from api.problem_models import FieldsProblem, Problem, UnknownParameterProblem
from api.retries import HEADER, KEY_PATTERN, REPLAYED_HEADER
from waiter_service.inputs import MAX_ID_CHARS
from waiter_service.reading.pages import MAX_CURSOR_CHARS, MAX_LIMIT

#: Each operation's ``tag``, with its description.
TAGS: Mapping[str, str] = {
    "sessions": "Guests at a table, what they ask for, and the end of their visit.",
    "requests": "What guests have asked for, and its status.",
    "orders": "What guests have ordered, and its status.",
    "waiters": "The waiters, and each waiter's tables, figures and transfers.",
    "venues": "The restaurants of the deployment, their floors and kitchens.",
    "offers": "Handing tables to another waiter who has to accept.",
    "joining": "How guests join their table with its code.",
}

_TEXT = {"type": "string"}

#: The header of an answer that says when to try again.
RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait before trying again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}

_PAGE_PARAMETERS = (
    {
        "name": "limit",
        "in": "query",
        "description": "The largest number of entries in an answer; for a session, of finished "
        "ones.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
    },
    {
        "name": "cursor",
        "in": "query",
        "description": "The `next` of an answer, to get the next page.",
        "schema": {"type": "string", "maxLength": MAX_CURSOR_CHARS},
    },
)


def paths() -> dict[str, Any]:
    """Return the path items of the floor."""
    made: dict[str, Any] = {}
    for operation in OPERATIONS:
        item = made.setdefault(f"/api{operation.path}", {})
        item[operation.method.lower()] = _operation(operation)
    return made


def _operation(operation: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": "\n\n".join(filter(None, [operation.description, _callers(operation)])),
    }
    if parameters := _parameters(operation):
        made["parameters"] = parameters
    if operation.body is not None:
        made["requestBody"] = {
            "required": not operation.body_is_optional,
            "content": {"application/json": {"schema": operation.body}},
        }
    if operation.is_public:
        made["security"] = []
    responses = sorted(_responses(operation).items())
    return made | {"responses": {str(status): answer for status, answer in responses}}


def _callers(operation: Operation) -> str:
    if operation.is_public:
        return "Needs no token."
    if operation.staff_only:
        return "For the restaurant's staff."
    return "For staff and guests, each within what is theirs."


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS},
        }
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    if operation.is_retried_safely:
        parameters.append(
            {
                "name": HEADER,
                "in": "header",
                "description": "Makes a retry safe: the same key and body by the same caller, "
                "within a day, is answered as the first time, and nothing is done twice.",
                "schema": {"type": "string", "pattern": KEY_PATTERN},
            }
        )
    parameters += (
        {
            "name": each.name,
            "in": "query",
            "description": each.description,
            "schema": dict(each.schema),
        }
        for each in operation.filters
    )
    if operation.is_paged:
        parameters += _PAGE_PARAMETERS
    return parameters


def _responses(operation: Operation) -> dict[int, dict[str, Any]]:
    headers: dict[str, Any] = {}
    if operation.is_retried_safely:
        headers[REPLAYED_HEADER] = {
            "description": f"true: this {HEADER} was used before; nothing was done again.",
            "schema": _TEXT,
        }
    if operation.has_location:
        headers["Location"] = {"description": "The path of the new resource.", "schema": _TEXT}
    is_json = operation.content_type == "application/json"
    responses: dict[int, dict[str, Any]] = {
        status: {
            "description": (resource.__doc__ or "").splitlines()[0],
            **({"headers": headers} if headers else {}),
            "content": {operation.content_type: {"schema": resource if is_json else _TEXT}},
        }
        for status, resource in operation.answers.items()
    }
    if operation.is_public:
        responses[429] = refusal("Too many were refused.", headers=RETRY_AFTER)
    else:
        responses[401] = refusal("The token is missing or not valid.")
        responses[403] = refusal(
            "For staff only, or a token for streams only."
            if operation.staff_only
            else "A token for streams only."
        )
    if "{" in operation.path or operation.body is not None:
        responses[404] = refusal("It does not exist, or it is not yours.")
    responses[400] = refusal(
        "The query has an undocumented parameter, or there is an If-Match header."
        + (" Or the body is not JSON." if operation.body is not None else ""),
        UnknownParameterProblem,
        Problem,
    )
    if operation.body is not None:
        responses[413] = refusal("The body is too large.")
        responses[415] = refusal("The Content-Type of the body is not JSON.")
        responses[422] = refusal("Some fields are invalid; `errors` lists them.", FieldsProblem)
    if operation.is_paged:
        responses[422] = refusal("A parameter of the query is invalid.", FieldsProblem)
    if operation.conflicts or operation.is_retried_safely:
        responses[409] = _conflict(operation)
    responses[429] = refusal("Too many calls within a minute, or at once.", headers=RETRY_AFTER)
    responses[503] = refusal("Not possible at the moment.", headers=RETRY_AFTER)
    return responses


def _conflict(operation: Operation) -> dict[str, Any]:
    models = list(operation.conflicts)
    if operation.is_retried_safely:
        models.append(Problem)
    description = " ".join((model.__doc__ or "").splitlines()[0] for model in operation.conflicts)
    if operation.is_retried_safely:
        description += (
            f" Or the first call with this {HEADER} is still under way (then with Retry-After), "
            "was a different call, or made something that has ended."
        )
    return refusal(
        description.strip(),
        *models,
        headers=RETRY_AFTER if operation.is_retried_safely else None,
    )


def refusal(
    description: str, *models: type[BaseModel], headers: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a response that is one of these problems, or any where none is named."""
    schemas = models or (Problem,)
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}
    made: dict[str, Any] = {"description": description}
    if headers:
        made["headers"] = dict(headers)
    return made | {"content": {"application/problem+json": {"schema": schema}}}
