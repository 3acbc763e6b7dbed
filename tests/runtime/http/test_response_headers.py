"""The security headers of every answer, without nginx."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.support.service_server import ServiceServer


def test_every_answer_forbids_content_sniffing(start_server: Callable[..., ServiceServer]) -> None:
    server = start_server(DEMO=1)
    anna = server.token("waiter", "anna")
    for method, path in (
        ("GET", "/api/waiters/anna/floor"),
        ("GET", "/api/openapi.json"),
        ("POST", "/api/sessions"),
        ("POST", "/sse/token"),
        ("GET", "/sse/waiter/ben"),
        ("GET", "/sse/static/notifications.js"),
        ("GET", "/sse/health"),
        ("GET", "/metrics"),
        ("GET", "/nowhere"),
        ("DELETE", "/api/sessions"),
        ("GET", "/demo"),
    ):
        answer = server.request(method, path, token=anna)
        assert answer.headers.get("X-Content-Type-Options") == "nosniff", (method, path)
    stream = server.listen_waiter("anna")
    assert stream.headers["x-content-type-options"] == "nosniff"


def test_the_demo_runs_only_its_own_scripts_and_not_in_a_frame(
    start_server: Callable[..., ServiceServer],
) -> None:
    server = start_server(DEMO=1)
    answers = [server.get("/demo") for _ in range(2)]
    policies = [answer.headers["Content-Security-Policy"] for answer in answers]
    for answer, policy in zip(answers, policies, strict=True):
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        (nonce,) = re.findall(r"'nonce-([\w-]+)'", policy)
        assert re.findall(r'nonce="([\w-]+)"', answer.text) == [nonce]
    assert policies[0] != policies[1], "a predictable nonce gives no protection"
