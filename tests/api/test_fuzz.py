"""No input causes a 500 or an answer that the document does not describe."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from api.openapi import document
from tests.api.calling import close_app, open_app
from tests.support.service_server import copy_sqlite

FEW = settings(
    max_examples=15,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def app(tmp_path, seeded_sqlite):
    """The whole application, without the limit that would stop a guest after 60 examples."""
    app = open_app(tmp_path, copy_sqlite(seeded_sqlite, tmp_path), GUEST_CHANGES_PER_MINUTE=0)
    yield app
    close_app(app)


# Schemathesis reads answers to their end, and a stream has none. werkzeug's client leaves files
# open.
STREAMS = r"^/sse/(session|waiter|floor|kitchen)/"
FILES = r"^/sse/static/"


def schema_with(exclude, **parameters):
    schema = schemathesis.openapi.from_dict(json.loads(document.document()))
    schema.config.update(parameters=parameters)
    return schema.exclude(path_regex=exclude)


any_ids = schema_with(FILES)
real_ids = schema_with(
    f"{STREAMS}|{FILES}", sessionId="table-7", waiterId="anna", requestId="req-1", orderId="ord-1"
)


# Refusals that no schema can describe: managers must name the waiter for whom they open
# a table, force needs a reason, a cursor must come from an answer, a stream must be the caller's.
BEYOND_THE_SCHEMA = (
    "/api/sessions",
    "/api/sessions/{sessionId}/close",
    "/api/sessions/{sessionId}",
    "/api/waiters",
    "/api/waiters/{waiterId}/floor",
    "/sse/token",
)


def check(case, app, caller):
    # Loaded from a dict, because the application comes from a fixture. It is called through WSGI.
    case.operation.schema.app = app
    unfit = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")]
    is_beyond = case.operation.path in BEYOND_THE_SCHEMA
    case.call_and_validate(
        app=app,
        headers={"Authorization": f"Bearer {caller.token}"},
        excluded_checks=unfit if is_beyond else [],
    )


@real_ids.parametrize()
@FEW
def test_a_manager_gets_only_documented_answers(case, app, manager):
    check(case, app, manager)


@real_ids.parametrize()
@FEW
def test_a_guest_gets_only_documented_answers(case, app, guest):
    check(case, app, guest)


@any_ids.parametrize()
@FEW
def test_strange_ids_get_only_documented_answers(case, app, anna):
    check(case, app, anna)
