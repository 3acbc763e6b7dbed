"""The published schemas are generated from the models, valid, and strict."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from notifications.contract.files import DOCS, files
from notifications.events.catalogue import EVENTS
from tests.support.programs import REPOSITORY
from tests.support.validators import complaints_of_asyncapi_parser, complaints_of_spectral

TYPES = {kind.event_type for kind in EVENTS}


def published(event_type):
    return json.loads((DOCS / "schemas" / f"{event_type}.json").read_text())


def errors(schema, value):
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@pytest.fixture
def document():
    return yaml.safe_load((DOCS / "asyncapi.yaml").read_text())


def test_committed_files_are_those_that_the_command_writes():
    made = files()

    stale = [
        str(path.relative_to(REPOSITORY))
        for path, text in made.items()
        if not path.exists() or path.read_text() != text
    ]
    assert not stale, f"run `python -m notifications.contract`: it would change {stale}"
    assert set((DOCS / "schemas").iterdir()) == {
        path for path in made if path.parent.name == "schemas"
    }


@pytest.mark.parametrize("event_type", sorted(TYPES))
def test_schema_and_its_example_are_valid(event_type):
    schema = published(event_type)

    Draft202012Validator.check_schema(schema)
    (example,) = schema["examples"]
    assert errors(schema, example) == []
    assert all(value["description"] for value in schema["properties"].values())


@pytest.mark.parametrize(
    ("event_type", "wrong"),
    [
        ("order_update", {"status": "Completed"}),  # a status of requests, not of orders
        ("order_update", {"previousStatus": ""}),
        ("order_update", {"version": 0}),
        ("order_update", {"tableNumber": "5"}),
        ("request_update", {"sessionId": "../etc"}),
        ("session_transfer", {"timestamp": "2024-01-15T10:30:00+00:00"}),
        ("cache_refresh", {"affectedData": []}),
        ("cache_refresh", {"affectedData": ["menus"]}),
        ("connection", {"waiterId": "anna"}),  # in addition to the session
        ("connection", {"sessionId": None}),
        ("closing", {"reconnect": None}),
    ],
)
def test_schema_refuses_a_wrong_value(event_type, wrong):
    schema = published(event_type)

    assert errors(schema, schema["examples"][0] | wrong)


def test_schema_accepts_an_unknown_key():
    schema = published("order_update")

    assert errors(schema, schema["examples"][0] | {"kitchen": "downstairs"}) == []


# --- AsyncAPI


def test_asyncapi_document_is_valid_for_the_asyncapi_parser(document):
    assert complaints_of_asyncapi_parser(document) == []
    # The parser must refuse a wrong document, so that its approval means something.
    assert complaints_of_asyncapi_parser(document | {"channels": {"session": {"adress": "/sse"}}})


def test_asyncapi_document_is_complete_and_valid_for_spectral(document, tmp_path):
    assert complaints_of_spectral(document, tmp_path) == []
    del document["info"]["tags"]
    assert complaints_of_spectral(document, tmp_path)


def test_every_reference_in_the_asyncapi_document_can_be_resolved(document):
    def references(tree):
        if isinstance(tree, dict):
            for key, value in tree.items():
                yield from [value] if key == "$ref" else references(value)
        elif isinstance(tree, list):
            for each in tree:
                yield from references(each)

    found = set(references(document))
    assert found
    for reference in found:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
