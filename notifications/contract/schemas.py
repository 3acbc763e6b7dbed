"""Each event's data as JSON Schema, made from the models that are sent.

For documents, not for serving: ``notifications.contract.asyncapi`` writes them down.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from notifications import messages
from notifications.events import (
    PAYLOADS,
    AffectedData,
    CacheRefresh,
    Closing,
    Connection,
    Heartbeat,
    OrderUpdate,
    Payload,
    RequestUpdate,
    SessionTransfer,
)
from notifications.streams.stream import CloseReason
from waiter_service.statuses import OrderStatus, RequestStatus
from waiter_service.transfer_cause import TransferCause

DIALECT = GenerateJsonSchema.schema_dialect

_HALF_PAST_TEN = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
_TABLE = {"session_id": "session-123", "waiter_id": "waiter-456", "table_number": 5}

#: One of each kind.
EXAMPLES: tuple[Payload, ...] = (
    Connection(
        connection_id="2df111de002958cd",
        session_id="session-123",
        heartbeat_seconds=30,
        resumed=False,
        expires_at=_HALF_PAST_TEN + timedelta(minutes=10),
    ),
    RequestUpdate(
        **_TABLE,
        request_id="req-789",
        status=RequestStatus.COMPLETED,
        previous_status=RequestStatus.IN_PROGRESS,
        message=messages.request_message(RequestStatus.COMPLETED, 5),
        timestamp=_HALF_PAST_TEN,
        version=3,
    ),
    OrderUpdate(
        **_TABLE,
        order_id="order-789",
        status=OrderStatus.COMPLETE,
        previous_status=OrderStatus.IN_PROGRESS,
        message=messages.order_message(OrderStatus.COMPLETE, 5, 3),
        timestamp=_HALF_PAST_TEN,
        version=4,
    ),
    SessionTransfer(
        **_TABLE,
        previous_waiter_id="waiter-123",
        message=messages.transfer_message(5, TransferCause.SHIFT_CHANGE),
        timestamp=_HALF_PAST_TEN,
        version=2,
    ),
    CacheRefresh(
        affected_data=(AffectedData.REQUESTS, AffectedData.ANALYTICS),
        affected_ids=("req-789",),
        message=messages.refresh_message(
            [messages.status_change_reason("Request", "req-789", RequestStatus.COMPLETED)]
        ),
        timestamp=_HALF_PAST_TEN,
    ),
    Heartbeat(timestamp=_HALF_PAST_TEN),
    Closing(code=CloseReason.DRAINING.code, reason=CloseReason.DRAINING.sentence, reconnect=True),
)

#: What each key means, in whichever event it stands.
_MEANINGS = {
    "affectedData": "What to load again.",
    "affectedIds": "Which of it; empty means all of that kind.",
    "code": "Why, for programs. There may be more codes one day: go by `reconnect`.",
    "connectionId": "Names this stream in the server's log.",
    "expiresAt": "When the stream will end, since its token does.",
    "heartbeatSeconds": "Between two heartbeats. Silent for twice that, the connection is dead.",
    "message": "What has happened, in a sentence.",
    "orderId": "The order that is meant.",
    "previousStatus": "Where it stood before; null where it is new.",
    "previousWaiterId": "Who held the session before.",
    "reason": "Why, for people.",
    "reconnect": "Whether to come back.",
    "reconnectInMs": "How long to wait before that; absent where the client decides.",
    "requestId": "The request that is meant.",
    "requiresRefresh": "Whether something on the screen is out of date now.",
    "resumed": "Whether the stream goes on where the client left off.",
    "sessionId": "The session at the table.",
    "status": "Where it stands now.",
    "tableNumber": "The number on the table.",
    "timestamp": "When it happened, in UTC.",
    "version": "Rises by one with each change; null where the sender keeps no count.",
    "waiterId": "Who holds the session now.",
}
_MEANINGS_OF_CONNECTION = {
    "sessionId": "The session that is followed, on a session's stream.",
    "waiterId": "The waiter who is followed, on a waiter's stream.",
}

_TIMESTAMP = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
}


def example_of(kind: type[Payload]) -> Payload:
    """Return an event of this kind."""
    return next(example for example in EXAMPLES if type(example) is kind)


def schema_of(kind: type[Payload], ref_template: str = "#/$defs/{model}") -> dict[str, Any]:
    """Return the JSON Schema of one event's data.

    It lets keys pass that it does not know, as clients should: there may be
    more of them one day.
    """
    made = kind.model_json_schema(schema_generator=_AsSent, ref_template=ref_template)
    meanings = _MEANINGS
    if kind is Connection:
        meanings = _MEANINGS | _MEANINGS_OF_CONNECTION
        _leave_out_one_id(made)
    if kind is Closing:
        _make_optional(made, "reconnectInMs")
    properties = {
        name: {"description": meanings[name], **value} for name, value in made["properties"].items()
    }
    description = made["description"].replace("``", "`")
    schema = {"title": kind.__name__, "description": description, "type": "object"}
    schema |= {"properties": properties, "required": made["required"]}
    return schema | {name: made[name] for name in ("oneOf", "$defs") if name in made}


def components(ref_template: str) -> dict[str, Any]:
    """Return the schema of every event and of what they have in common, by name."""
    made: dict[str, Any] = {}
    for kind in PAYLOADS:
        schema = schema_of(kind, ref_template)
        made |= schema.pop("$defs", {})
        made[kind.__name__] = schema
    return made


def fields_of(kind: type[Payload]) -> dict[str, Any]:
    """Return the schemas of what stands beside the data: ``event``, and ``id`` if it has one."""
    fields: dict[str, Any] = {"event": {"type": "string", "const": kind.event_type}}
    if kind is Connection:
        fields["id"] = {"type": "string", "description": "Where a fresh stream begins."}
    elif _has_place(kind):
        fields["id"] = {"type": "string", "description": "Where to go on from."}
    return fields


def required_fields_of(kind: type[Payload]) -> list[str]:
    """Return which of ``fields_of`` are always there."""
    return ["event", "id"] if _has_place(kind) else ["event"]


def _has_place(kind: type[Payload]) -> bool:
    return kind not in (Connection, Heartbeat, Closing)


class _AsSent(GenerateJsonSchema):
    """Every key is there, whether or not the model has a default; moments have one form."""

    def field_is_required(self, *_args: object, **_options: object) -> bool:
        return True

    def field_title_should_be_set(self, _schema: object) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def datetime_schema(self, _schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        return dict(_TIMESTAMP)


def _leave_out_one_id(schema: dict[str, Any]) -> None:
    """Do as ``Connection.to_json``: the id that it has not is left out, and never null."""
    for name in _MEANINGS_OF_CONNECTION:
        _make_optional(schema, name)
    schema["oneOf"] = [{"required": [name]} for name in _MEANINGS_OF_CONNECTION]


def _make_optional(schema: dict[str, Any], name: str) -> None:
    """Describe a key that is left out where it has no value, and is never null."""
    properties = schema["properties"]
    properties[name], _null = properties[name]["anyOf"]
    schema["required"].remove(name)
