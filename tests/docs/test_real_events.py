"""The events of a real server agree with the published schemas."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from pydantic.alias_generators import to_camel

from api.openapi import document as openapi
from notifications.channels import id_name
from notifications.contract.files import DOCS
from notifications.events.catalogue import EVENTS, heard_on
from notifications.publishing.notification_service import NotificationService
from notifications.streams.stream import CloseReason
from tests.support.histories import ReadableBroker
from waiter_service import OrderStatus, RequestStatus

TYPES = {kind.event_type for kind in EVENTS}


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load((DOCS / "asyncapi.yaml").read_text())


def assert_published(event_type, data):
    """Assert that the schema accepts ``data`` and describes each of its keys."""
    schema = json.loads((DOCS / "schemas" / f"{event_type}.json").read_text())
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(data)
    assert data.keys() <= schema["properties"].keys()


def assert_promised_by_openapi(kind, events):
    """Assert that the stream's ``itemSchema`` accepts each event and describes its data."""
    document = json.loads(openapi.PATH.read_text())
    answer = document["paths"][f"/sse/{kind}/{{{id_of(kind)}}}"]["get"]["responses"]["200"]
    schema = answer["content"]["text/event-stream"]["itemSchema"]
    [*choices] = schema["oneOf"]
    validator = Draft202012Validator({**schema, "components": document["components"]})
    for event in events:
        fields = {"event": event.type, "data": json.dumps(event.data)}
        fields |= {} if event.id is None else {"id": event.id}
        validator.validate(fields)
        [choice] = [
            each["properties"]
            for each in choices
            if each["properties"]["event"]["const"] == event.type
        ]
        content = {**choice["data"]["contentSchema"], "components": document["components"]}
        Draft202012Validator(content, format_checker=FormatChecker()).validate(event.data)
        assert not validator.is_valid(fields | {"event": "gossip"})


def assert_described(document, channel, events):
    """Assert that ``channel`` may send ``events`` with their ids, and that each kind occurs."""
    messages = document["channels"][channel]["messages"]
    for event in events:
        message = document["components"]["messages"][event.type]
        assert event.type in messages
        fields = {"event": event.type} | ({} if event.id is None else {"id": event.id})
        Draft202012Validator(message["headers"]).validate(fields)
        assert fields.keys() <= message["headers"]["properties"].keys()
        assert_published(event.type, event.data)
    types = {kind.event_type for kind in heard_on(channel)}
    assert messages.keys() == types, "run `python -m notifications.contract`"
    missing = types - {event.type for event in events}
    assert not missing, f"no change in this test sends {missing} to a {channel}: add one"


def id_of(kind):
    return to_camel(id_name(kind))


def address(document, channel, name):
    return document["channels"][channel]["address"].replace(f"{{{id_of(channel)}}}", name)


def test_every_event_of_a_server_agrees_with_its_schema(start_server, document):
    server = start_server(SSE_HEARTBEAT_SECONDS=0.2)
    assert address(document, "session", "table-7") == "/sse/session/table-7"
    assert address(document, "waiter", "anna") == "/sse/waiter/anna"
    guest = server.listen_session("table-7")
    anna, ben = server.listen_waiter("anna"), server.listen_waiter("ben")
    assert address(document, "floor", "main") == "/sse/floor/main"
    floor, kitchen = server.listen_venue("floor"), server.listen_venue("kitchen")
    lost = server.listen_waiter("anna", last_event_id="some-nonsense")
    service = server.service

    wine = service.create_request("table-7", "wine list ✓")
    service.update_request_status(wine.request.id, "acknowledged", reason="gleich \u2028 da")
    service.update_order_status("ord-1", "InProgress")
    for waiter_id in ("anna", "ben"):
        service.start_shift(waiter_id)
    service.decline_offer(
        service.offer_sessions(to_waiter_id="ben", from_waiter_id="anna").offer.id
    )
    service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")
    for stream in (guest, anna, ben, lost):
        stream.next("heartbeat")
        stream.next("cache_refresh")
    for stream in (floor, kitchen):
        stream.next("heartbeat")
    service.close_session("table-7", force=True, reason="gone")
    floor.next("session_update")
    lost_screens = [
        server.listen_venue(kind, last_event_id="some-nonsense") for kind in ("floor", "kitchen")
    ]
    for stream in lost_screens:
        stream.next("cache_refresh")
    guest.wait_ended()
    server.stop()
    for stream in (anna, ben, lost, floor, kitchen, *lost_screens):
        stream.wait_ended()

    assert_promised_by_openapi("session", guest.events)
    assert_promised_by_openapi("waiter", anna.events + ben.events + lost.events)
    assert_described(document, "session", guest.events)
    assert_described(document, "waiter", anna.events + ben.events + lost.events)
    for kind, one, other in zip(("floor", "kitchen"), (floor, kitchen), lost_screens, strict=True):
        assert_promised_by_openapi(kind, one.events + other.events)
        assert_described(document, kind, one.events + other.events)
        assert [event for event in one.events if event.type == "cache_refresh"] == []
    assert guest.events[-1].data["code"] == "session_closed"
    assert lost.of_type("cache_refresh")[0].data["affectedData"] == ["all"]


@pytest.mark.parametrize("status", RequestStatus)
def test_request_update_of_a_program_agrees_with_its_schema(status):
    broker = ReadableBroker()
    NotificationService(broker).notify_request_update(
        session_id="a", waiter_id="b", request_id="c", table_number=9999, status=status
    )

    (data,) = broker.payloads("main:session:a", "request_update")
    assert_published("request_update", data)
    assert (data["previousStatus"], data["version"]) == (None, None)


@pytest.mark.parametrize("status", OrderStatus)
def test_order_update_of_a_program_agrees_with_its_schema(status):
    broker = ReadableBroker()
    NotificationService(broker).notify_order_update(
        session_id="a", waiter_id="b", order_id="c", table_number=1, status=status
    )

    (data,) = broker.payloads("main:waiter:b", "order_update")
    assert_published("order_update", data)


def test_events_guide_names_every_event_and_every_closing_code():
    guide = (DOCS / "events.md").read_text()

    codes = {reason.code for reason in CloseReason}
    assert [name for name in sorted(TYPES | codes) if f"| `{name}` |" not in guide] == []
