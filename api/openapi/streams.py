"""``/sse`` in the OpenAPI document: the streams, tokens for browsers, and the module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field
from pydantic.alias_generators import to_camel

import notifications
from api.fields import Timestamp
from api.openapi.floor import RETRY_AFTER, refusal
from api.resources import Resource
from notifications import channels
from notifications.contract import asyncapi, schemas
from notifications.entrance.blueprint import COOKIE, SECURE_COOKIE
from notifications.events.catalogue import heard_on
from waiter_service.inputs import MAX_ID_CHARS

TAGS: Mapping[str, str] = {"streams": "Events, sent as they happen (Server-Sent Events)."}

#: AsyncAPI calls this kind httpApiKey.
SECURITY: Mapping[str, Any] = {
    name: {**asyncapi.SECURITY[name], "type": "apiKey"} for name in ("streamToken", "streamCookie")
}

_MODULES = Path(notifications.__file__).parent / "static"

_IN_BAND = (
    "A client that accepts `text/event-stream` gets this inside a stream instead: 200, `retry` "
    "and `closing`."
)


class StreamTokenRequest(BaseModel):
    """Which stream a token is for."""

    stream: str | None = Field(
        None,
        description="The stream's path. Default: the caller's own stream.",
        examples=["/sse/waiter/anna"],
    )


class StreamToken(Resource):
    """A token that only opens streams."""

    token: str = Field(description="The token, for `?token=` of a stream.")
    expires_at: Timestamp
    expires_in: int = Field(ge=0, description="Seconds until the token ends.")


def paths() -> dict[str, Any]:
    """Return the path items of /sse but its health."""
    return {
        **{
            f"/sse/{kind}/{{{to_camel(channels.id_name(kind))}}}": {"get": _stream(kind)}
            for kind in channels.KINDS
        },
        "/sse/token": {"post": _token()},
        "/sse/static/{filename}": {"get": _module()},
    }


def _stream(kind: str) -> dict[str, Any]:
    return {
        "operationId": f"follow_{kind}",
        "tags": ["streams"],
        "summary": f"Follow a {kind}",
        "description": f"{channels.KINDS[kind]} The stream stays open until the token ends, "
        "the client goes or `closing` says why.",
        "parameters": [
            {
                "name": to_camel(channels.id_name(kind)),
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS},
            },
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The id of the last event received.",
                "schema": {"type": "string"},
            },
            {
                "name": "lastEventId",
                "in": "query",
                "description": "The same, for clients that cannot send headers.",
                "schema": {"type": "string"},
            },
        ],
        "security": [{"token": []}, *({name: []} for name in SECURITY)],
        "responses": {
            "200": {
                "description": "The events, one after the other.",
                "content": {"text/event-stream": {"itemSchema": _item(kind)}},
            },
            "401": refusal("The token is missing or not valid here."),
            "403": refusal("Not the bearer's stream, or it is over; an unknown id looks the same."),
            "429": refusal(
                f"The bearer has too many streams, or opens them too fast. {_IN_BAND}",
                headers=RETRY_AFTER,
            ),
            "503": refusal(f"Not possible at the moment. {_IN_BAND}", headers=RETRY_AFTER),
        },
    }


def _item(channel_kind: str) -> dict[str, Any]:
    """Return the schema of one event of a stream, as a parser passes it on."""
    return {
        "type": "object",
        "properties": {
            "event": {"type": "string"},
            "data": {"type": "string"},
            "id": {"type": "string"},
            "retry": {
                "type": "integer",
                "minimum": 0,
                "description": "Milliseconds to wait before the client reconnects.",
            },
        },
        "required": ["event", "data"],
        "oneOf": [
            {
                "properties": {
                    **schemas.fields_of(kind),
                    "data": {"contentMediaType": "application/json", "contentSchema": kind},
                },
                "required": [*schemas.required_fields_of(kind), "data"],
            }
            for kind in heard_on(channel_kind)
        ],
    }


def _token() -> dict[str, Any]:
    cookie = (
        f"The same as `{SECURE_COOKIE}`, HttpOnly and for that stream alone; "
        f"without https it is called `{COOKIE}`."
    )
    return {
        "operationId": "make_stream_token",
        "tags": ["streams"],
        "summary": "Get a short-lived token for a stream",
        "description": "For the browser's EventSource, which cannot send headers.",
        "requestBody": {
            "required": False,
            "content": {"application/json": {"schema": StreamTokenRequest}},
        },
        "responses": {
            "200": {
                "description": "A token that only opens streams.",
                "headers": {"Set-Cookie": {"description": cookie, "schema": {"type": "string"}}},
                "content": {"application/json": {"schema": StreamToken}},
            },
            "400": refusal("The body is not JSON of this form."),
            "401": refusal("The token is missing or not valid."),
            "403": refusal("Not the bearer's stream, or the token is a stream token itself."),
            "413": refusal("The body is too large."),
            "429": refusal("Too many calls within a minute.", headers=RETRY_AFTER),
            "503": refusal("Not possible at the moment.", headers=RETRY_AFTER),
        },
    }


def _module() -> dict[str, Any]:
    names = sorted(path.name for path in _MODULES.glob("*.js"))
    return {
        "operationId": "load_module",
        "tags": ["streams"],
        "summary": "Load the browser's module",
        "description": "`notifications.js`, and what it imports. Needs no token.",
        "parameters": [
            {
                "name": "filename",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "enum": names},
            }
        ],
        "security": [],
        "responses": {
            "200": {
                "description": "A JavaScript module.",
                "content": {"text/javascript": {"schema": {"type": "string"}}},
            },
            "404": refusal("There is no such file."),
            "503": refusal("Not possible at the moment.", headers=RETRY_AFTER),
        },
    }
