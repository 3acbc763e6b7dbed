"""Whatever is sent: no 500, and no answer that the document does not promise."""

import json

import schemathesis
from hypothesis import HealthCheck, settings

from waiter_service.api import openapi

FEW = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def schema_with(**parameters):
    schema = schemathesis.openapi.from_dict(json.loads(openapi.document()))
    schema.config.update(parameters=parameters)
    return schema


any_ids = schema_with()
real_ids = schema_with(sessionId="table-7", waiterId="anna", requestId="req-1", orderId="ord-1")


def check(case, app, caller, **options):
    # Loaded from a dict, since the application is a fixture's; served by WSGI all the same.
    case.operation.schema.app = app
    case.call_and_validate(app=app, headers={"Authorization": f"Bearer {caller.token}"}, **options)


@real_ids.parametrize()
@FEW
def test_a_manager_gets_no_answer_but_those_documented(case, app, manager):
    # Managers must say for whom they open a table: that depends on the token,
    # and no schema knows it.
    # Likewise, that force needs a reason.
    paths = ("/api/sessions", "/api/sessions/{sessionId}/close")
    depends_on_token = case.operation.path in paths
    unfit = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")]
    check(case, app, manager, excluded_checks=unfit if depends_on_token else [])


@real_ids.parametrize()
@FEW
def test_a_guest_gets_no_answer_but_those_documented(case, app, guest):
    check(case, app, guest)


@any_ids.parametrize()
@FEW
def test_strange_ids_get_no_answer_but_those_documented(case, app, anna):
    check(case, app, anna)
