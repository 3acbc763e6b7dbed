"""The OpenAPI document describes what is served."""

import json
import re

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic.alias_generators import to_camel

from api.openapi import document as openapi
from api.openapi import floor as floor
from tests.support.validators import (
    complaints_of_openapi_spec_validator,
    complaints_of_spectral,
)

FLOOR = set(floor.TAGS)


@pytest.fixture
def document(anonymous):
    answer = anonymous.get("/api/openapi.json")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    return answer.json


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def content_of(document, path, method, status, content_type="application/json"):
    """Return the documented schema of an answer's body."""
    return document["paths"][path][method]["responses"][str(status)]["content"][content_type]


def assert_promised(document, path, answer, method="get"):
    """Assert that the body is as documented, without undocumented keys."""
    schema = content_of(document, path, method, answer.status_code)["schema"]
    schema = {**schema, "components": document["components"]}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(answer.json)
    assert_no_more(document, schema, answer.json)


def assert_no_more(document, schema, value):
    name = schema["$ref"].rpartition("/")[2]
    properties = document["components"]["schemas"][name]["properties"]
    assert value.keys() == properties.keys(), name
    for key, part in properties.items():
        if "$ref" in part:
            assert_no_more(document, part, value[key])


def test_the_document_is_valid_for_openapi_spec_validator(document):
    assert document["openapi"] == "3.2.0"
    assert complaints_of_openapi_spec_validator(document) == []
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_the_document_passes_spectral_with_its_recommendations(document, tmp_path):
    assert complaints_of_spectral(document, tmp_path) == []
    # An invalid document is refused, so the check is effective.
    stream = document["paths"]["/sse/session/{sessionId}"]["get"]
    stream["responses"]["200"]["content"]["text/event-stream"]["itemSchema"] = "any"
    del stream["tags"]
    found = "\n".join(complaints_of_spectral(document, tmp_path))
    assert "text/event-stream.itemSchema: oas3-schema" in found
    assert "operation-tags" in found


def test_the_copy_in_docs_equals_the_served_document(document):
    assert openapi.PATH.read_text() == openapi.text(), "run `python -m api.openapi`"
    assert document == json.loads(openapi.PATH.read_text())


def test_the_document_names_the_path_prefix_of_its_host(anonymous):
    headers = {"X-Forwarded-Prefix": "/restaurant"}
    document = anonymous.get("/api/openapi.json", headers=headers).json
    assert [server["url"] for server in document["servers"]] == ["/restaurant"]


def test_the_served_routes_and_the_documented_routes_are_the_same(app, document):
    served = {
        (method, re.sub(r"<(?:path:)?(\w+)>", lambda name: f"{{{to_camel(name[1])}}}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert served == {(method, path) for method, path, _ in operations(document)}


def test_health_is_as_documented(anonymous, document):
    for path in ("/sse/health", "/health/live", "/health/ready"):
        answer = anonymous.get(path)
        assert answer.status_code == 200
        assert_promised(document, path, answer)


def test_health_of_a_draining_process_is_as_documented(app, anonymous, document):
    app.extensions["serving"].start()
    app.extensions["serving"].drain()
    answer = anonymous.get("/sse/health")
    assert answer.status_code == 503
    assert_promised(document, "/sse/health", answer)
    assert anonymous.get("/health/ready").mimetype == "application/problem+json"


def test_a_stream_token_is_as_documented(anna, document):
    answer = anna.post("/sse/token", {"stream": "/sse/waiter/anna"})
    assert answer.status_code == 200
    assert_promised(document, "/sse/token", answer, "post")


def test_every_operation_documents_what_it_does_and_its_refusals(document):
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        if not FLOOR & set(operation["tags"]):
            continue
        refusals = (
            {"404", "429", "503"} if operation.get("security") == [] else {"401", "403", "503"}
        )
        assert refusals <= operation["responses"].keys(), where
        for status, answer in operation["responses"].items():
            assert answer["description"], where
            made = "image/svg+xml" if path.endswith(".svg") else "application/json"
            kind = made if status < "300" else "application/problem+json"
            assert list(answer["content"]) == [kind], where


def test_every_reference_in_the_document_resolves(document):
    schemas = document["components"]["schemas"]
    for reference in re.findall(r"#/components/schemas/(\w+)", str(document)):
        assert reference in schemas


def test_names_are_spelled_as_on_the_wire(document):
    for schema in document["components"]["schemas"].values():
        assert not [name for name in schema.get("properties", {}) if "_" in name]


def test_every_field_of_an_answer_is_required(document):
    for name in ("Session", "Request", "Order", "TableSnapshot", "Floor"):
        schema = document["components"]["schemas"][name]
        assert sorted(schema["required"]) == sorted(schema["properties"]), name
