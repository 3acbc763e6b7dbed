"""The OpenAPI document of the whole service, and the command that writes it to a file.

``python -m api.openapi`` writes ``docs/openapi.json``; a test fails if ``/api/openapi.json``
answers something else. It is OpenAPI 3.2, the first version that can describe the events of
a stream.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api.openapi import floor, health, streams
from notifications.contract import asyncapi, schemas
from notifications.contract.files import DOCS
from notifications.events.payload import Payload

PATH = DOCS / "openapi.json"

_REFERENCE = "#/components/schemas/{model}"

_DESCRIPTION = """\
What happens on the floor of a restaurant: guests sit down, ask for something and order;
waiters handle it and hand tables over.

Guests act in their own session, waiters on their own floor, managers anywhere. What does not
exist and what is not yours get the same answer, 404. Guests get 403 for what only staff may do.

Screens read a snapshot once and then follow `/sse/...?lastEventId=<cursor>`. `asyncapi.yaml` and
`events.md` say more about the streams.
"""

_TAGS = {**floor.TAGS, **streams.TAGS, **health.TAGS}


def document(below: str = "") -> str:
    """Return the document as JSON; ``below`` is the path that the service is below, if any."""
    servers = json.dumps([{"url": below or "/", "description": "The address of this service."}])
    return f'{{"openapi": "3.2.0", "servers": {servers}, {_rest()}'


@cache
def _rest() -> str:
    # Made once: it takes some milliseconds, and anyone may ask for it.
    models: dict[str, type[BaseModel]] = {}
    paths = _with_references({**floor.paths(), **streams.paths(), **health.paths()}, models)
    rest = {
        "info": {
            "title": "Restaurant floor",
            "version": "1",
            "description": _DESCRIPTION,
            "contact": asyncapi.CONTACT,
        },
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "schemas": _schemas(list(models.values())),
            "securitySchemes": {"token": asyncapi.SECURITY["token"], **streams.SECURITY},
        },
        "security": [{"token": []}],
    }
    return json.dumps(rest).removeprefix("{")


def _with_references(tree: Any, models: dict[str, type[BaseModel]]) -> Any:
    """Return ``tree`` with a reference for each model, and add the models to ``models``."""
    if isinstance(tree, dict):
        return {key: _with_references(value, models) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_with_references(each, models) for each in tree]
    if isinstance(tree, type) and issubclass(tree, BaseModel):
        assert models.setdefault(tree.__name__, tree) is tree, f"two models named {tree.__name__}"
        return {"$ref": _REFERENCE.format(model=tree.__name__)}
    return tree


def _schemas(models: list[type[BaseModel]]) -> dict[str, Any]:
    # Each in the mode it is used in: an answer has all its keys.
    others: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (model, model.model_config.get("json_schema_mode_override") or "validation")
        for model in models
        if not issubclass(model, Payload)
    ]
    _, made = models_json_schema(others, ref_template=_REFERENCE)
    whole = {**schemas.components(_REFERENCE), **made["$defs"]}
    return {name: whole[name] for name in sorted(whole)}


def text() -> str:
    """Return what the command writes."""
    return json.dumps(json.loads(document()), indent=2) + "\n"


def main() -> None:
    """Write it."""
    PATH.write_text(text())
