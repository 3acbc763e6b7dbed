"""The streams as an AsyncAPI 3 document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from notifications.access.auth import STREAM_TOKEN_SECONDS
from notifications.channels import KINDS, id_name
from notifications.contract.schemas import (
    components,
    fields_of,
    required_fields_of,
    schema_of,
)
from notifications.events.catalogue import EVENTS, heard_on
from notifications.events.payload import Payload
from notifications.streams.body import RETRY_MS

_ABOUT = f"""\
Server-Sent Events. Each message is one block of an event stream: its `event` and `id` are
given here as headers, the JSON in its `data` as the payload.

Ids are `epoch-offset`. A client that was cut off sends the last one it had, as `Last-Event-ID`
or `?lastEventId=`, and gets what followed, in order and each once. Where that is not possible
any more, one `cache_refresh` with `affectedData: ["all"]` says so.

With the first event comes `retry`, at random between {RETRY_MS[0]} and {RETRY_MS[1]} ms.
Pass over events and keys that you do not know: there may be more of them one day.

`events.md`, beside this document, says what is sent when, and to whom.
"""

#: How a bearer is identified, in both documents.
SECURITY: Mapping[str, Any] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "`role` is customer, waiter, manager, kitchen or display. `sub` is the id "
        "of the session, the waiter or the manager, or the venue of a kitchen or a display. "
        "`venue` is the venue of staff: without it `main`, and `*` for a manager of all venues.",
    },
    "streamToken": {
        "type": "httpApiKey",
        "in": "query",
        "name": "token",
        "description": "For the browser's EventSource, which cannot send headers: made by "
        f"`POST /sse/token`, good for {STREAM_TOKEN_SECONDS // 60} minutes and for streams alone.",
    },
    "streamCookie": {
        "type": "httpApiKey",
        "in": "cookie",
        "name": "__Secure-sse_token",
        "description": "The same, set by `POST /sse/token` as well, for one stream. "
        "Without https it is called `sse_token`.",
    },
}

#: Whom to ask, in both documents. Addresses are the restaurant's own.
CONTACT = {"name": "The team that runs the service"}


def document() -> dict[str, Any]:
    """Return the document, from the service's side: it sends, clients receive."""
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Restaurant notifications",
            "version": "1",
            "description": _ABOUT,
            "contact": CONTACT,
            "tags": [{"name": "streams", "description": "All are open for hours."}],
            "externalDocs": {
                "description": "The format: Server-Sent Events",
                "url": "https://html.spec.whatwg.org/multipage/server-sent-events.html",
            },
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8000",
                "protocol": "http",
                "description": "What `make run` starts.",
            }
        },
        "channels": {name: _channel(name, summary) for name, summary in KINDS.items()},
        "operations": {
            "tellGuests": _operation("session", "Tell the guests at a table"),
            "tellWaiter": _operation("waiter", "Tell a waiter"),
            "tellFloor": _operation("floor", "Tell the screens that follow a venue's floor"),
            "tellKitchen": _operation("kitchen", "Tell a venue's kitchen"),
        },
        "components": {
            "messages": {kind.event_type: _message(kind) for kind in EVENTS},
            "schemas": components("#/components/schemas/{model}"),
            "securitySchemes": SECURITY,
        },
    }


def _channel(name: str, summary: str) -> dict[str, Any]:
    types = [kind.event_type for kind in heard_on(name)]
    return {
        "address": f"/sse/{name}/{{{to_camel(id_name(name))}}}",
        "summary": summary,
        "parameters": {to_camel(id_name(name)): {"description": f"The {id_name(name)[:-3]}'s id."}},
        "messages": {each: {"$ref": f"#/components/messages/{each}"} for each in types},
    }


def _operation(channel: str, summary: str) -> dict[str, Any]:
    place = {"type": "string", "description": "The id of the last event received."}
    return {
        "action": "send",
        "summary": summary,
        "description": KINDS[channel],
        "channel": {"$ref": f"#/channels/{channel}"},
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in SECURITY],
        "bindings": {
            "http": {
                "method": "GET",
                "query": {"type": "object", "properties": {"lastEventId": place}},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _message(kind: type[Payload]) -> dict[str, Any]:
    required = required_fields_of(kind)
    shown = {"event": kind.event_type, "id": "k3f9a1-42"}
    schema = schema_of(kind)
    return {
        "name": kind.event_type,
        "summary": schema["description"],
        "headers": {"type": "object", "properties": fields_of(kind), "required": required},
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        "examples": [
            {
                "headers": {name: shown[name] for name in required},
                "payload": kind.example().to_wire(),
            }
        ],
    }


def as_yaml() -> str:
    """Return the document as the text of ``docs/asyncapi.yaml``."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

        def represent_str(self, data: str) -> yaml.ScalarNode:
            style = "|" if "\n" in data else None
            return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    Dumper.add_representer(str, Dumper.represent_str)
    note = "# Made by `python -m notifications.contract`: change that, not this.\n"
    return note + yaml.dump(document(), Dumper=Dumper, sort_keys=False, width=100)
