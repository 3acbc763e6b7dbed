"""The OpenAPI document, made from the list that is served and the models that are used.

openapi-pydantic only types the document. The libraries that also serve one
(spectree, flask-openapi3, APIFlask) bring an application class, a global
instance or another validation library along, and answers of their own shape.
"""

from __future__ import annotations

import re
from functools import cache

from openapi_pydantic import (
    Components,
    Header,
    Info,
    MediaType,
    OpenAPI,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Response,
    Schema,
    SecurityScheme,
)
from openapi_pydantic import Operation as DocumentedOperation
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from waiter_service.api.operation import OPERATIONS, Operation
from waiter_service.api.problem_models import FieldsProblem, Problem, UnknownParameterProblem
from waiter_service.api.retries import HEADER, KEY_PATTERN, REPLAYED_HEADER
from waiter_service.inputs import MAX_ID_CHARS, MAX_TABLE_NUMBER
from waiter_service.pages import MAX_CURSOR_CHARS, MAX_LIMIT

_DESCRIPTION = """\
What happens on the floor of a restaurant: guests sit down, ask for something and order;
waiters handle it and hand tables over.

Guests act in their own session, waiters on their own floor, managers anywhere. What does not
exist and what is not yours are answered alike, with 404. What only staff may do at all is
answered with 403 to guests.

Screens read a snapshot once and then follow `/sse/...?lastEventId=<cursor>`.
"""

_TEXT = Schema(type="string")
_SECONDS = Header(
    description="Try again after so many seconds.",
    param_schema=Schema(type="integer", minimum=1),
)
_RETRY_AFTER: dict[str, Header | Reference] = {"Retry-After": _SECONDS}

_TABLE_PARAMETER = {
    "name": "table",
    "in": "query",
    "description": "Only of the table with this number.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_TABLE_NUMBER},
}
_PAGE_PARAMETERS = (
    {
        "name": "limit",
        "in": "query",
        "description": "How many entries one answer is to have; of a session's, how many "
        "that are finished.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
    },
    {
        "name": "cursor",
        "in": "query",
        "description": "The `next` of an answer: for the page that follows.",
        "schema": {"type": "string", "maxLength": MAX_CURSOR_CHARS},
    },
)


@cache
def document() -> str:
    """Return the document as JSON. It is made once; it takes some milliseconds."""
    bare = OpenAPI(
        info=Info(title="Restaurant floor", version="1", description=_DESCRIPTION),
        paths=_paths(),
        components=Components(
            securitySchemes={
                "token": SecurityScheme(type="http", scheme="bearer", bearerFormat="JWT")
            }
        ),
        security=[{"token": []}],
    )
    whole = construct_open_api_with_schema_class(bare)
    return whole.model_dump_json(by_alias=True, exclude_none=True, ensure_ascii=True)


def _paths() -> dict[str, PathItem]:
    paths: dict[str, PathItem] = {}
    for operation in OPERATIONS:
        item = paths.setdefault(f"/api{operation.path}", PathItem())
        setattr(item, operation.method.lower(), _operation(operation))
    return paths


def _operation(operation: Operation) -> DocumentedOperation:
    return DocumentedOperation(
        operationId=operation.name,
        summary=operation.summary,
        description=operation.description,
        parameters=_parameters(operation) or None,
        requestBody=_body(operation),
        security=[] if operation.is_public else None,
        responses={str(status): answer for status, answer in sorted(_responses(operation).items())},
    )


def _parameters(operation: Operation) -> list[Parameter | Reference]:
    parameters: list[Parameter | Reference] = [
        Parameter.model_validate(
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS},
            }
        )
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    if operation.is_retried_safely:
        parameters.append(
            Parameter.model_validate(
                {
                    "name": HEADER,
                    "in": "header",
                    "description": "Makes a retry safe: the same key and body by the same caller, "
                    "within a day, is answered as the first time, and nothing is done twice.",
                    "schema": {"type": "string", "pattern": KEY_PATTERN},
                }
            )
        )
    if operation.heeds_table:
        parameters.append(Parameter.model_validate(_TABLE_PARAMETER))
    if operation.is_paged:
        parameters += [Parameter.model_validate(each) for each in _PAGE_PARAMETERS]
    return parameters


def _body(operation: Operation) -> RequestBody | None:
    if operation.body is None:
        return None
    return RequestBody(
        required=not operation.body_is_optional,
        content={"application/json": _media(operation.body)},
    )


def _responses(operation: Operation) -> dict[int, Response | Reference]:
    headers: dict[str, Header | Reference] = {}
    if operation.is_retried_safely:
        headers[REPLAYED_HEADER] = Header(
            description=f"true: this {HEADER} came before, and nothing was done again.",
            param_schema=_TEXT,
        )
    if operation.has_location:
        headers["Location"] = Header(description="What was made.", param_schema=_TEXT)
    is_json = operation.content_type == "application/json"
    responses: dict[int, Response | Reference] = {
        status: Response(
            description=(resource.__doc__ or "").splitlines()[0],
            headers=headers or None,
            content={
                operation.content_type: _media(resource)
                if is_json
                else MediaType(media_type_schema=_TEXT)
            },
        )
        for status, resource in operation.answers.items()
    }
    if operation.is_public:
        responses[429] = _refusal("Too many were refused.", headers=_RETRY_AFTER)
    else:
        responses[401] = _refusal("No token, or none that is good.")
        responses[403] = _refusal(
            "For staff only, or a token for streams only."
            if operation.staff_only
            else "A token for streams only."
        )
    if "{" in operation.path or operation.body is not None:
        responses[404] = _refusal("There is no such thing, or it is not yours.")
    responses[400] = _refusal(
        "The query has what is not documented, or there is an If-Match header."
        + (" Or the body is no JSON." if operation.body is not None else ""),
        UnknownParameterProblem,
        Problem,
    )
    if operation.body is not None:
        responses[413] = _refusal("The body is too large.")
        responses[415] = _refusal("The body is not said to be JSON.")
        responses[422] = _refusal("Some fields may not be so; it names each.", FieldsProblem)
    if operation.is_paged:
        responses[422] = _refusal("A parameter of the query may not be so.", FieldsProblem)
    if operation.conflicts or operation.is_retried_safely:
        responses[409] = _conflict(operation)
    responses[429] = _refusal("Too many calls within a minute, or at once.", headers=_RETRY_AFTER)
    responses[503] = _refusal("Not possible at the moment.", headers=_RETRY_AFTER)
    return responses


def _conflict(operation: Operation) -> Response:
    models = list(operation.conflicts)
    if operation.is_retried_safely:
        models.append(Problem)
    description = " ".join((model.__doc__ or "").splitlines()[0] for model in operation.conflicts)
    if operation.is_retried_safely:
        description += (
            f" Or the first call with this {HEADER} is still under way (then with Retry-After), "
            "was another, or has made what is over by now."
        )
    return _refusal(
        description.strip(),
        *models,
        headers=_RETRY_AFTER if operation.is_retried_safely else None,
    )


def _refusal(
    description: str,
    *models: type[BaseModel],
    headers: dict[str, Header | Reference] | None = None,
) -> Response:
    return Response(
        description=description,
        headers=headers,
        content={"application/problem+json": _media(*(models or (Problem,)))},
    )


def _media(*models: type[BaseModel]) -> MediaType:
    schemas: list[Reference | Schema] = [PydanticSchema(schema_class=model) for model in models]
    if len(schemas) == 1:
        return MediaType(media_type_schema=schemas[0])
    return MediaType(media_type_schema=Schema(anyOf=schemas))
