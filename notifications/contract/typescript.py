"""The part of ``notifications.d.ts`` that is made from the events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from notifications.contract.schemas import schema_of
from notifications.events.cache_refresh import AffectedData
from notifications.events.catalogue import PUBLISHED
from notifications.events.floor_event import FloorEvent

_LINE_CHARS = 100

#: The names of JSON's types in TypeScript.
_NAMES = {"string": "string", "integer": "number", "boolean": "boolean", "null": "null"}

#: A refresh goes to ``onRefresh``, as separate arguments.
_FOR_ON_EVENT = [kind for kind in PUBLISHED if issubclass(kind, FloorEvent)]


def declarations() -> str:
    """Return the types of the events that ``onEvent`` is called with, and of their parts."""
    shared: dict[str, str] = {"AffectedData": _choices("AffectedData", list(AffectedData))}
    events = []
    for kind in _FOR_ON_EVENT:
        schema = schema_of(kind)
        for name, part in schema.get("$defs", {}).items():
            shared[name] = (
                _choices(name, part["enum"]) if "enum" in part else _interface(name, part)
            )
        events.append(_interface(kind.__name__, schema))
    payloads = (f"  {kind.event_type}: {kind.__name__};" for kind in _FOR_ON_EVENT)
    about = (
        "/**\n * What each event type carries. Extend it by declaration merging for `types` of "
        "your own:\n"
        ' * `declare module ".../notifications.js" { interface EventPayloads { promo: Promo } }`.'
        "\n */"
    )
    carried = "\n".join([about, "export interface EventPayloads {", *payloads, "}"])
    return "\n\n".join([*shared.values(), *events, carried]) + "\n"


def _interface(name: str, schema: Mapping[str, Any]) -> str:
    lines = [*_comment(schema["description"]), f"export interface {name} {{"]
    for key, value in schema["properties"].items():
        lines += [f"  {line}" for line in _comment(value["description"])]
        lines += _wrapped(f"  {key}: ", _types(value), indent="    ")
    return "\n".join([*lines, "}"])


def _choices(name: str, values: Sequence[str]) -> str:
    return "\n".join(_wrapped(f"export type {name} = ", [f'"{each}"' for each in values], "  "))


def _types(schema: Mapping[str, Any]) -> list[str]:
    """Return the alternatives of a key."""
    if "anyOf" in schema:
        return [each for choice in schema["anyOf"] for each in _types(choice)]
    if "enum" in schema:
        return [f'"{each}"' for each in schema["enum"]]
    if "$ref" in schema:
        return [schema["$ref"].rpartition("/")[2]]
    if schema["type"] == "array":
        [item] = _types(schema["items"])
        return [f"{item}[]"]
    return [_NAMES[schema["type"]]]


def _wrapped(begin: str, types: Sequence[str], indent: str) -> list[str]:
    """Return ``begin`` and the union of ``types`` on as few lines as possible."""
    line = f"{begin}{' | '.join(types)};"
    if len(line) <= _LINE_CHARS:
        return [line]
    lines = [begin.rstrip()]
    for each in types:
        if len(f"{lines[-1]} | {each};") > _LINE_CHARS or len(lines) == 1:
            lines.append(f"{indent}| {each}")
        else:
            lines[-1] += f" | {each}"
    lines[-1] += ";"
    return lines


def _comment(text: str) -> Iterator[str]:
    """Yield ``text`` as a comment, its paragraphs on lines of their own."""
    lines = text.split("\n")
    if len(lines) == 1:
        yield f"/** {text} */"
        return
    yield "/**"
    yield from (f" * {line}".rstrip() for line in lines)
    yield " */"
