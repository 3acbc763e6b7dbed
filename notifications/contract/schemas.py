"""Each event's data as JSON Schema, made from the models that are sent.

For documents, not for serving.
"""

from __future__ import annotations

import inspect
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from notifications.events.catalogue import EVENTS, PUBLISHED
from notifications.events.payload import Payload, PublishedEvent

DIALECT = GenerateJsonSchema.schema_dialect

_TIMESTAMP = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
}


def schema_of(kind: type[Payload], ref_template: str = "#/$defs/{model}") -> dict[str, Any]:
    """Return the JSON Schema of one event's data.

    It allows unknown keys, as clients should, because later versions may add keys.
    """
    made = kind.model_json_schema(schema_generator=_AsSent, ref_template=ref_template)
    if kind.omits_null:
        _let_keys_be_left_out(made)
    if issubclass(kind, PublishedEvent):
        made["properties"]["code"]["enum"] = list(kind.sentences)
    # The description of a key first, because people read it first.
    properties = {
        name: {"description": value["description"], **value}
        for name, value in made["properties"].items()
    }
    schema: dict[str, Any] = {
        "title": kind.__name__,
        "description": description_of(kind),
        "type": "object",
        "properties": properties,
        "required": made["required"],
    }
    return schema | {name: made[name] for name in ("oneOf", "$defs") if name in made}


def description_of(kind: type[Payload]) -> str:
    """Return the meaning of an event, for people."""
    return inspect.cleandoc(kind.__doc__ or "").replace("``", "`")


def components(ref_template: str) -> dict[str, Any]:
    """Return the schema of every event and of their common parts, by name."""
    made: dict[str, Any] = {}
    for kind in EVENTS:
        schema = schema_of(kind, ref_template)
        made |= schema.pop("$defs", {})
        made[kind.__name__] = schema
    return made


def fields_of(kind: type[Payload]) -> dict[str, Any]:
    """Return the schemas of the fields beside the data: ``event``, and ``id`` if it has one."""
    fields: dict[str, Any] = {"event": {"type": "string", "const": kind.event_type}}
    if kind.id_meaning is not None:
        fields["id"] = {"type": "string", "description": kind.id_meaning}
    return fields


def required_fields_of(kind: type[Payload]) -> list[str]:
    """Return which of ``fields_of`` are always present."""
    return ["event", "id"] if kind in PUBLISHED else ["event"]


class _AsSent(GenerateJsonSchema):
    """Require every key, with or without a default; allow others; give moments one form."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        made.pop("additionalProperties", None)
        return made

    def field_is_required(self, *_args: object, **_options: object) -> bool:
        return True

    def field_title_should_be_set(self, _schema: object) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def datetime_schema(self, _schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        return dict(_TIMESTAMP)


def _let_keys_be_left_out(schema: dict[str, Any]) -> None:
    """Describe the keys that are left out if they have no value, and are never null."""
    for name, value in schema["properties"].items():
        if {"type": "null"} in value.get("anyOf", ()):
            kept, _null = value.pop("anyOf")
            value |= kept
            schema["required"].remove(name)
