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

    It lets keys pass that it does not know, as clients should: there may be
    more of them one day.
    """
    made = kind.model_json_schema(schema_generator=_AsSent, ref_template=ref_template)
    if kind.omits_null:
        _let_keys_be_left_out(made)
    if issubclass(kind, PublishedEvent):
        made["properties"]["code"]["enum"] = list(kind.sentences)
    # The description of a key first, as people read it.
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
    """Return what an event means, for people."""
    return inspect.cleandoc(kind.__doc__ or "").replace("``", "`")


def components(ref_template: str) -> dict[str, Any]:
    """Return the schema of every event and of what they have in common, by name."""
    made: dict[str, Any] = {}
    for kind in EVENTS:
        schema = schema_of(kind, ref_template)
        made |= schema.pop("$defs", {})
        made[kind.__name__] = schema
    return made


def fields_of(kind: type[Payload]) -> dict[str, Any]:
    """Return the schemas of what stands beside the data: ``event``, and ``id`` if it has one."""
    fields: dict[str, Any] = {"event": {"type": "string", "const": kind.event_type}}
    if kind.id_meaning is not None:
        fields["id"] = {"type": "string", "description": kind.id_meaning}
    return fields


def required_fields_of(kind: type[Payload]) -> list[str]:
    """Return which of ``fields_of`` are always there."""
    return ["event", "id"] if kind in PUBLISHED else ["event"]


class _AsSent(GenerateJsonSchema):
    """Every key is there, with or without a default, and others may be; moments have one form."""

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
    """Describe the keys that are left out where they have no value, and are never null."""
    for name, value in schema["properties"].items():
        if {"type": "null"} in value.get("anyOf", ()):
            kept, _null = value.pop("anyOf")
            value |= kept
            schema["required"].remove(name)
