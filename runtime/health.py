"""``/health/live``, ``/health/ready`` and ``/metrics``: for machines that watch this one.

None asks for a token: whoever probes and scrapes has none, and what is told
names no guest. nginx keeps all three to the own network.

*Live* asks whether this process can still do anything at all; failing, it is to be
restarted. *Ready* asks whether this process serves; failing, clients go elsewhere, and what
is open stays open. Neither counts what all processes share: while Redis or the database is
away, a load balancer that took every process out would end what still works. That is for
``/sse/health`` and the metrics, which tell people.
"""

from __future__ import annotations

import logging

from flask import Blueprint, Response, jsonify

from notifications.entrance.problem_types import ProblemCode
from notifications.entrance.problems import problem
from notifications.errors import PrefixTaken
from runtime.metrics.metrics import CONTENT_TYPE, Metrics
from runtime.metrics.probe import NoAnswer, Probe
from runtime.serving import Serving
from runtime.serving_lock import StandingBy
from waiter_service.errors import DatabaseError

log = logging.getLogger("health")


class Readiness:
    """Whether clients should be sent to this process: it has started, and does not drain."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        # Under gunicorn it has started before its first request. Another server would never
        # send that request to a process that is not ready, so asking starts it.
        self._start = Probe(serving.start)
        self._said: str | None = None

    def obstacle(self) -> str | None:
        """Return why not, in a sentence for people, or None when ready.

        Takes at most a second; switches greenlets.
        """
        obstacle = self._find_obstacle()
        if obstacle != self._said:
            self._said = obstacle
            if obstacle is None:
                log.info("ready")
            else:
                log.warning("not ready", extra={"fields": {"reason": obstacle}})
        return obstacle

    def _find_obstacle(self) -> str | None:
        if self._serving.is_draining:
            return "this process is about to stop"
        try:
            self._start.answer()
        except (DatabaseError, PrefixTaken, StandingBy) as error:
            return str(error)
        except NoAnswer:
            return "this process has not started within a second"
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
            return problem(ProblemCode.NOT_READY, obstacle)
        return _answer(jsonify(status="ready"))

    @blueprint.get("/metrics")
    def scrape() -> Response:
        return _answer(Response(metrics.text(), content_type=CONTENT_TYPE))

    return blueprint


def _answer(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
