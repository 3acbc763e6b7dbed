"""What is refused, by which code, and the page that says what it means."""

import pytest

from api.operations import OPERATIONS
from notifications.entrance.problem_types import ProblemCode, path_of
from tests.api.examples import OWN, path_to

EACH_OPERATION = pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS if not each.is_public], ids=lambda each: each.name
)


@pytest.mark.parametrize("code", ProblemCode)
def test_every_code_has_a_page(nobody, code):
    page = nobody.get(path_of(code))

    assert (page.status_code, page.content_type) == (200, "text/html; charset=utf-8")
    assert code in page.text


def test_a_code_that_does_not_exist_has_none(nobody):
    assert nobody.get(path_of("no_such_code")).json["code"] == "unknown_path"


def test_the_type_leads_to_the_page_also_below_a_path(manager):
    below = {"X-Forwarded-Prefix": "/restaurant"}
    refused = manager.get("/api/sessions/nowhere", headers=below)

    assert refused.json["type"] == "/restaurant/api/problems/not_found"
    page = manager.get("/restaurant/api/problems/not_found", headers=below)
    assert page.status_code == 200


@EACH_OPERATION
def test_an_unknown_query_parameter_is_refused_with_those_that_are_known(manager, operation):
    refused = manager.call(
        operation.method, f"{path_to(operation, OWN)}?colour=red&limit=5&Cursor=x"
    )

    assert refused.status_code == 400
    assert refused.json["code"] == "unknown_query_parameter"
    known = [] if not operation.is_paged else ["limit"]
    assert refused.json["unknown"] == [
        name for name in ("colour", "limit", "Cursor") if name not in known
    ]
    assert refused.json["allowed"] == list(operation.parameters)
    for name in refused.json["unknown"] + refused.json["allowed"]:
        assert name in refused.json["detail"]


@EACH_OPERATION
def test_if_match_is_refused_and_expected_version_is_named(manager, operation):
    refused = manager.call(operation.method, path_to(operation, OWN), headers={"If-Match": '"1"'})

    assert (refused.status_code, refused.json["code"]) == (400, "if_match_not_supported")
    assert "expectedVersion" in refused.json["detail"]


@pytest.mark.parametrize(
    "asked", [{"path": "/api/orders/ord-1?dryRun=1"}, {"headers": {"If-Match": '"9"'}}], ids=str
)
def test_what_is_refused_changes_nothing(manager, asked):
    asked = {"path": "/api/orders/ord-1", **asked}
    assert manager.patch(json={"status": "InProgress"}, **asked).status_code == 400
    [order] = manager.get("/api/sessions/table-7").json["orders"]
    assert order["status"] == "New"


def test_the_public_operations_and_the_document_refuse_likewise(nobody):
    joined = nobody.post("/api/join?table=7", {"code": "AAAA-AAAA-AAAA"})
    assert (joined.status_code, joined.json["code"]) == (400, "unknown_query_parameter")
    document = nobody.get("/api/openapi.json?pretty=1")
    assert (document.status_code, document.json["code"]) == (400, "unknown_query_parameter")


def test_who_has_no_token_learns_nothing_of_parameters(nobody):
    assert nobody.get("/api/sessions/table-7?colour=red").status_code == 401


def test_many_long_parameters_make_no_long_answer(manager):
    query = "&".join(f"{'x' * 500}{number}=1" for number in range(40))
    refused = manager.get(f"/api/sessions/table-7?{query}")
    assert refused.status_code == 400
    assert len(refused.data) < 5_000


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/api/sessions/nowhere", None, "not_found"),
        ("GET", "/api/nothing", None, "unknown_path"),
        ("DELETE", "/api/sessions/table-7", None, "method_not_allowed"),
        ("POST", "/api/sessions", {}, "invalid_fields"),
        ("POST", "/api/sessions", {"tableNumber": 7, "waiterId": "ben"}, "table_occupied"),
        ("PATCH", "/api/orders/ord-1", {"status": "Paid"}, "illegal_transition"),
        (
            "PATCH",
            "/api/orders/ord-1",
            {"status": "InProgress", "expectedVersion": 9},
            "version_conflict",
        ),
        ("POST", "/api/sessions/table-7/close", None, "orders_unfinished"),
    ],
)
def test_every_refusal_has_a_code_and_a_type_of_its_own(manager, method, path, body, code):
    refused = manager.call(method, path, json=body)

    assert refused.content_type == "application/problem+json"
    assert (refused.json["code"], refused.json["type"]) == (code, path_of(code))
