"""The published schemas: made from the models, valid, and as strict as they should be."""

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


def test_what_is_committed_is_what_the_command_writes():
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
def test_a_schema_is_valid_and_so_is_its_example(event_type):
    schema = published(event_type)

    Draft202012Validator.check_schema(schema)
    (example,) = schema["examples"]
    assert errors(schema, example) == []
    assert all(value["description"] for value in schema["properties"].values())


@pytest.mark.parametrize(
    ("event_type", "wrong"),
    [
        ("order_update", {"status": "Completed"}),  # a request's, not an order's
        ("order_update", {"previousStatus": ""}),
        ("order_update", {"version": 0}),
        ("order_update", {"tableNumber": "5"}),
        ("request_update", {"sessionId": "../etc"}),
        ("session_transfer", {"timestamp": "2024-01-15T10:30:00+00:00"}),
        ("cache_refresh", {"affectedData": []}),
        ("cache_refresh", {"affectedData": ["menus"]}),
        ("connection", {"waiterId": "anna"}),  # and the session's
        ("connection", {"sessionId": None}),
        ("closing", {"reconnect": None}),
    ],
)
def test_a_schema_tells_what_may_not_be(event_type, wrong):
    schema = published(event_type)

    assert errors(schema, schema["examples"][0] | wrong)


def test_keys_that_are_new_one_day_break_nobody():
    schema = published("order_update")

    assert errors(schema, schema["examples"][0] | {"kitchen": "downstairs"}) == []


# --- AsyncAPI


def test_the_asyncapi_document_is_valid_for_its_own_parser(document):
    assert complaints_of_asyncapi_parser(document) == []
    # What it would not let pass, lest it let everything pass.
    assert complaints_of_asyncapi_parser(document | {"channels": {"session": {"adress": "/sse"}}})


def test_the_asyncapi_document_is_valid_for_spectral_and_lacks_nothing(document, tmp_path):
    assert complaints_of_spectral(document, tmp_path) == []
    del document["info"]["tags"]
    assert complaints_of_spectral(document, tmp_path)


def test_nothing_in_the_asyncapi_document_points_nowhere(document):
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
