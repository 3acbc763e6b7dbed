"""The codes of refusals, and the pages that explain them."""

import pytest

from api.operations import OPERATIONS
from notifications.entrance.problem_types import ProblemCode, path_of
from tests.api.examples import OWN, path_to

EACH_OPERATION = pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS if not each.is_public], ids=lambda each: each.name
)


@pytest.mark.parametrize("code", ProblemCode)
def test_every_code_has_a_page(anonymous, code):
    page = anonymous.get(path_of(code))

    assert (page.status_code, page.content_type) == (200, "text/html; charset=utf-8")
    assert code in page.text


def test_an_unknown_code_has_no_page(anonymous):
    assert anonymous.get(path_of("no_such_code")).json["code"] == "unknown_path"


def test_the_type_leads_to_the_page_with_a_path_prefix_too(manager):
    below = {"X-Forwarded-Prefix": "/restaurant"}
    refused = manager.get("/api/sessions/nowhere", headers=below)

    assert refused.json["type"] == "/restaurant/api/problems/not_found"
    page = manager.get("/restaurant/api/problems/not_found", headers=below)
    assert page.status_code == 200


@EACH_OPERATION
def test_an_unknown_query_parameter_is_refused_with_a_list_of_the_known_ones(manager, operation):
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
def test_a_refused_call_changes_nothing(manager, asked):
    asked = {"path": "/api/orders/ord-1", **asked}
    assert manager.patch(json={"status": "InProgress"}, **asked).status_code == 400
    [order] = manager.get("/api/sessions/table-7").json["orders"]
    assert order["status"] == "New"


def test_public_operations_and_the_document_refuse_unknown_parameters_too(anonymous):
    joined = anonymous.post("/api/join?table=7", {"code": "AAAA-AAAA-AAAA"})
    assert (joined.status_code, joined.json["code"]) == (400, "unknown_query_parameter")
    document = anonymous.get("/api/openapi.json?pretty=1")
    assert (document.status_code, document.json["code"]) == (400, "unknown_query_parameter")


def test_a_caller_without_a_token_learns_nothing_about_parameters(anonymous):
    assert anonymous.get("/api/sessions/table-7?colour=red").status_code == 401


def test_many_long_parameters_get_a_short_answer(manager):
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
def test_every_refusal_has_its_own_code_and_type(manager, method, path, body, code):
    refused = manager.call(method, path, json=body)

    assert refused.content_type == "application/problem+json"
    assert (refused.json["code"], refused.json["type"]) == (code, path_of(code))
