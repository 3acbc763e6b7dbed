"""``/health/live``, ``/health/ready`` and ``/metrics``: for load balancers and monitoring.

None requires a token, since probes and scrapers have none, and no answer names a guest.
nginx serves all three to the internal network only.

*Live* answers whether this process can still do anything; if not, restart it. *Ready*
answers whether this process serves; if not, send clients elsewhere, and open streams stay
open. Neither depends on engines that all processes share: while Redis or the database is
away, a load balancer that removed every process would end what still works. ``/sse/health``
and the metrics report those engines, to people.
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
    """Whether clients should be sent to this process: it has started and does not drain."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        # Under gunicorn it has started before its first request. Another server would never
        # send that request to a process that is not ready, so the probe itself starts it.
        self._start = Probe(serving.start)
        self._said: str | None = None

    def obstacle(self) -> str | None:
        """Return the reason for not being ready as a sentence for people, or None.

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
    """Return the blueprint for this process."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/health/live")
    def live() -> Response:
        # That this code runs proves that the event loop runs.
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
