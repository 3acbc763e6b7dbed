"""What clients send, from bytes to a body. It is validated before anything is looked up.

The bodies themselves stand beside the operations that take them.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from api.errors import BodyNotUnderstood, FieldErrors

# A body may be wrong in thousands of places. No one reads that many.
MAX_ERRORS = 20
MAX_SHOWN_NAME_CHARS = 64


class Body(BaseModel):
    """A JSON object in camelCase with the fields named here, of exactly these types."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"additionalProperties": False},
    )


B = TypeVar("B", bound=Body)


def parse(model: type[B], raw: bytes) -> B:
    """Return the body that ``raw`` spells.

    pydantic's own parser bounds depth and length of numbers, and refuses
    unpaired surrogates, which Python's would let through to the database.

    Raises:
        BodyNotUnderstood: it is not JSON, or not in UTF-8.
        FieldErrors: it is JSON, but not this body; the error names each field.
    """
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        if found[0]["type"] == "json_invalid":
            raise BodyNotUnderstood(f"The body is not understood. {found[0]['msg']}.") from None
        named = [(_path(each["loc"]), each["msg"]) for each in found[:MAX_ERRORS]]
        raise FieldErrors(named) from None


def _path(location: tuple[int | str, ...]) -> str:
    """Return a location as a client spells it: ``items[0].quantity``."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            name = step[:MAX_SHOWN_NAME_CHARS]
            path += f".{name}" if path else name
    return path or "body"
