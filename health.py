"""``/health/live``, ``/health/ready`` and ``/metrics``: for machines that watch this one.

None asks for a token: whoever probes and scrapes has none, and what is told
names no guest. nginx keeps all three to the own network.

*Live* asks whether this process can still do anything at all; failing, it is
to be restarted. *Ready* asks whether to send clients here; failing, they go
elsewhere, and what is open stays open. A restart would mend neither database
nor Redis, so liveness knows of neither.
"""

from __future__ import annotations

import logging

from flask import Blueprint, Response, jsonify

from notifications.brokers.base import Broker
from notifications.metrics import CONTENT_TYPE, Metrics
from notifications.sse_service import SseService
from probe import NoAnswer, Probe
from problems import problem
from waiter_service import Database
from waiter_service.errors import DatabaseError, SchemaOutOfDate

log = logging.getLogger("health")


class Readiness:
    """Whether clients should be sent to this process.

    The database is asked each time, the broker only for what it knows; the
    answer comes within about a second even while neither does.
    """

    def __init__(self, *, sse: SseService, broker: Broker, database: Database) -> None:
        self._sse = sse
        self._broker = broker
        self._database = Probe(database.check)
        self._said: str | None = None

    def obstacle(self) -> str | None:
        """Return why not, in a sentence for people, or None when ready. Switches greenlets."""
        obstacle = self._find_obstacle()
        if obstacle != self._said:
            self._said = obstacle
            if obstacle is None:
                log.info("ready")
            else:
                log.warning("not ready", extra={"fields": {"reason": obstacle}})
        return obstacle

    def _find_obstacle(self) -> str | None:
        if self._sse.is_draining:
            return "this process is about to stop"
        broker = self._broker.status()
        if not broker.is_up:
            return f"the broker is away: {broker.detail}"
        try:
            self._database.answer()
        except SchemaOutOfDate as error:
            # Ahead of us is fine: while a release rolls out, the tables are new
            # and half of the processes old. Revisions are numbered.
            is_behind = error.found is None or error.found < error.expected
            return str(error) if is_behind else None
        except DatabaseError as error:
            return str(error)
        except NoAnswer:
            return "the database does not answer"
        return None


def create_blueprint(readiness: Readiness, metrics: Metrics) -> Blueprint:
    """Return the blueprint that answers for this process."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/health/live")
    def live() -> Response:
        # To have come here is the proof: the event loop runs.
        return _answer(jsonify(status="alive"))

    @blueprint.get("/health/ready")
    def ready() -> Response:
        obstacle = readiness.obstacle()
        if obstacle is not None:
            return problem(503, obstacle)
        return _answer(jsonify(status="ready"))

    @blueprint.get("/metrics")
    def scrape() -> Response:
        return _answer(Response(metrics.text(), content_type=CONTENT_TYPE))

    return blueprint


def _answer(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
