"""The document says what is served."""

import re

import pytest
from jsonschema import Draft202012Validator
from openapi_pydantic import OpenAPI


@pytest.fixture
def document(nobody):
    answer = nobody.get("/api/openapi.json")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    return answer.json


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def test_the_document_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    OpenAPI.model_validate(document)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_all_that_is_served_is_documented_and_the_other_way_round(app, document):
    served = {
        (method, re.sub(r"<(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.openapi"
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert served == {(method, path) for method, path, _ in operations(document)}


def test_every_operation_says_what_it_does_and_how_it_refuses(document):
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        refusals = (
            {"404", "429", "503"} if operation.get("security") == [] else {"401", "403", "503"}
        )
        assert refusals <= operation["responses"].keys(), where
        for status, answer in operation["responses"].items():
            assert answer["description"], where
            made = "image/svg+xml" if path.endswith(".svg") else "application/json"
            kind = made if status < "300" else "application/problem+json"
            assert list(answer["content"]) == [kind], where


def test_nothing_in_the_document_points_nowhere(document):
    schemas = document["components"]["schemas"]
    for reference in re.findall(r"#/components/schemas/(\w+)", str(document)):
        assert reference in schemas


def test_names_are_those_of_the_wire(document):
    for schema in document["components"]["schemas"].values():
        assert not [name for name in schema.get("properties", {}) if "_" in name]


def test_answers_always_have_all_their_fields(document):
    for name in ("Session", "Request", "Order", "TableSnapshot", "Floor"):
        schema = document["components"]["schemas"][name]
        assert sorted(schema["required"]) == sorted(schema["properties"]), name
