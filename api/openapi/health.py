"""Health, metrics and documents in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from api.fields import Timestamp
from api.openapi.floor import RETRY_AFTER, refusal
from api.problem_models import Problem, UnknownParameterProblem
from api.resources import Resource
from notifications.entrance.problem_types import ProblemCode, path_of
from notifications.refresh.trigger import Priority

TAGS: Mapping[str, str] = {"service": "The state of the service, and its documents."}


class ActiveConnections(Resource):
    """The open streams of the whole deployment."""

    sessions: int
    waiters: int
    total: int


class BrokerHealth(Resource):
    """Where the events for resuming streams are kept."""

    kind: Literal["memory", "redis"]
    status: Literal["up", "down"]


class DatabaseHealth(Resource):
    """Whether the last change was written."""

    kind: Literal["sqlite", "postgresql"]
    status: Literal["up", "down"]


class RefreshCounts(Resource):
    """Of one priority, since the processes started."""

    triggers: int
    sent: int


class CacheRefreshHealth(Resource):
    """The state of `cache_refresh` in the whole deployment."""

    pending: int | None = Field(description="Pending batches; null while Redis is unavailable.")
    triggers: int
    sent: int
    failures: int
    by_priority: dict[Priority, RefreshCounts]


class Health(Resource):
    """How the whole deployment is."""

    status: Literal["healthy"]
    timestamp: Timestamp
    active_connections: ActiveConnections
    broker: BrokerHealth
    database: DatabaseHealth
    cache_refresh: CacheRefreshHealth
    version: str = Field(description="The version of the service that answers.")


class IllHealth(Health):
    """The same where something is wrong."""

    status: Literal["unhealthy", "draining"]  # type: ignore[assignment]  # never of both
    reason: str


class Liveness(Resource):
    """The process runs."""

    status: Literal["alive"]


class Readiness(Resource):
    """The process serves."""

    status: Literal["ready"]


def paths() -> dict[str, Any]:
    """Return the path items of health, metrics and documents."""
    ill = refusal("Something is wrong; `reason` says what.")
    ill["content"] = {"application/json": {"schema": IllHealth}, **ill["content"]}
    metrics = {
        "description": "In Prometheus's text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    openapi = _answer("The document.", {"type": "object"})
    return {
        "/sse/health": _get(
            "read_health",
            "Read the health of the whole deployment",
            "For people and monitoring. Includes the database and Redis.",
            {"200": _answer("Everything works.", Health), "503": ill},
        ),
        "/health/live": _get(
            "read_liveness",
            "Check whether the process runs",
            "Restart a process that does not answer.",
            {"200": _answer("The process runs.", Liveness)},
        ),
        "/health/ready": _get(
            "read_readiness",
            "Check whether the process is ready",
            "If it is not ready, send clients to another process.",
            {
                "200": _answer("The process is ready.", Readiness),
                "503": refusal("It has not started, or is about to stop; `detail` says why."),
            },
        ),
        "/metrics": _get(
            "read_metrics",
            "Read the metrics",
            "The metrics of all workers, for Prometheus.",
            {"200": metrics},
        ),
        "/api/openapi.json": _get(
            "read_openapi",
            "Read this document",
            "The OpenAPI document of the whole service.",
            {
                "200": openapi,
                "400": refusal(
                    "The query has an undocumented parameter, or there is an If-Match header.",
                    UnknownParameterProblem,
                    Problem,
                ),
                "503": refusal("Not possible at the moment.", headers=RETRY_AFTER),
            },
        ),
        path_of("{code}"): _problem_page(),
    }


def _problem_page() -> dict[str, Any]:
    page = _get(
        "read_about_problem",
        "Read about a kind of problem",
        "The page that the `type` of a problem leads to.",
        {
            "200": {
                "description": "What it means, and what to do.",
                "content": {"text/html": {"schema": {"type": "string"}}},
            },
            "404": refusal("There is no such kind."),
        },
    )
    codes = [code.value for code in ProblemCode]
    page["get"]["parameters"] = [
        {
            "name": "code",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "enum": codes},
        }
    ]
    return page


def _get(name: str, summary: str, description: str, responses: dict[str, Any]) -> dict[str, Any]:
    operation = {
        "operationId": name,
        "tags": ["service"],
        "summary": summary,
        "description": f"{description} Needs no token.",
        "security": [],
        "responses": responses,
    }
    return {"get": operation}


def _answer(description: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
