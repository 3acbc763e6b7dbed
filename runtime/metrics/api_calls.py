"""How many API calls there are, how they end and how long they take."""

from __future__ import annotations

import time
from collections import Counter as Tally

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Counter, Histogram
from werkzeug.routing import Rule

#: Seconds: from a read out of memory up to the longest wait for a lock.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

#: Calls measured between two updates. A burst with more calls is known well enough.
MAX_SAMPLES = 10_000

#: Labels for a path that matches no route, and for a method that HTTP does not have.
OTHER = "other"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

#: Statuses that every route may answer. A series that begins with its first failure hides that
#: failure from ``rate()``.
_FAILURES = ("500", "503")

_STARTED = "restaurant.started"


class ApiCalls:
    """Counts an app's calls below ``/api`` and ``/sse``, without the streams it opens.

    A call costs two additions; Prometheus's metrics are updated once a second. Labels are routes
    as they are declared (``/api/orders/<orderId>``), never what a client wrote.
    """

    def __init__(self, app: Flask) -> None:
        self._routes = app.url_map
        self._are_routes_named = False
        self._ended: Tally[tuple[str, str, str]] = Tally()
        self._seconds: list[tuple[str, float]] = []
        app.before_request(self._begin)
        app.after_request(self._end)

    def declare(self, registry: CollectorRegistry) -> None:
        """Create the metrics in ``registry``."""
        self._total = Counter(
            "restaurant_api_calls",
            "Calls answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._latency = Histogram(
            "restaurant_api_call_seconds",
            "From a call's head until its answer was made.",
            ["route"],
            buckets=_BUCKETS,
            registry=registry,
        )

    def _name_the_routes(self) -> None:
        self._are_routes_named = True
        self._latency.labels(OTHER)
        for rule in filter(_is_counted, self._routes.iter_rules()):
            self._latency.labels(rule.rule)
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                for status in _FAILURES:
                    self._total.labels(method, rule.rule, status)

    def carry_over(self) -> None:
        """Update the metrics from the counts. Never switches greenlets."""
        if not self._are_routes_named:
            # Not earlier: the app gets its routes after its metrics.
            self._name_the_routes()
        ended, self._ended = self._ended, Tally()
        for labels, calls in ended.items():
            self._total.labels(*labels).inc(calls)
        seconds, self._seconds = self._seconds, []
        for route, taken in seconds:
            self._latency.labels(route).observe(taken)

    def _begin(self) -> None:
        request.environ[_STARTED] = time.perf_counter()

    def _end(self, response: Response) -> Response:
        rule = request.url_rule
        if rule is not None and not _is_counted(rule):
            return response
        if response.mimetype == "text/event-stream":
            return response
        route = OTHER if rule is None else rule.rule
        method = request.method if request.method in _METHODS else OTHER
        self._ended[method, route, str(response.status_code)] += 1
        started = request.environ.get(_STARTED)
        if started is not None and len(self._seconds) < MAX_SAMPLES:
            self._seconds.append((route, time.perf_counter() - started))
        return response


def _is_counted(rule: Rule) -> bool:
    return rule.rule.startswith(("/api/", "/sse/")) and not rule.rule.startswith("/sse/static/")
