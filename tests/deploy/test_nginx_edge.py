"""What nginx lets through, keeps to itself, and answers in the service's place."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import pytest
import requests

from tests.deploy.conftest import MakeNginx
from tests.support.nginx_server import NginxServer
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.nginx


class Nobody:
    """An instance that is away."""

    port = 9  # discard: nobody listens there


def test_nginx_accepts_the_shipped_configuration_without_a_warning(make_nginx: MakeNginx) -> None:
    class Instance:
        port = 8001

    checked = make_nginx(Instance(), Instance()).check()
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr
    assert "test is successful" in checked.stderr


@pytest.mark.parametrize("path", ["/metrics", "/health/live", "/health/ready", "/nginx-health"])
def test_inside_is_shown_to_internal_networks_alone(standing_nginx: NginxServer, path: str) -> None:
    assert standing_nginx.get(path).status_code == 200
    refused = standing_nginx.get(path, outside=True)
    assert refused.status_code == 403
    assert "restaurant" not in refused.text


def test_each_instance_can_be_asked_by_its_name(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    instance = f"/instances/{standing_server.port}"
    assert standing_nginx.get(f"{instance}/health/ready").json() == {"status": "ready"}
    assert "restaurant_streams_open" in standing_nginx.get(f"{instance}/metrics").text
    assert standing_nginx.get(f"{instance}/metrics", outside=True).status_code == 403
    # Not a way to any port of this machine, nor to any page of an instance.
    assert standing_nginx.get("/instances/22/metrics").status_code == 404
    assert standing_nginx.get(f"{instance}/api/openapi.json").status_code == 404


def test_outsiders_learn_whether_it_is_healthy_and_no_more(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    inside = standing_nginx.get("/sse/health")
    assert inside.json()["activeConnections"]["total"] == 0
    outside = standing_nginx.get("/sse/health", outside=True)
    assert (outside.status_code, outside.json()) == (200, {"status": "healthy"})


def test_outsiders_learn_that_it_is_not_healthy(make_nginx: MakeNginx) -> None:
    nginx = make_nginx(Nobody())
    nginx.start()
    outside = nginx.get("/sse/health", outside=True)
    assert (outside.status_code, outside.json()) == (503, {"status": "unhealthy"})


def test_nothing_but_the_service_is_reachable(standing_nginx: NginxServer) -> None:
    for path in ("/", "/demo", "/static/x", "/sse/", "/sse/other", "/.env"):
        assert standing_nginx.get(path).status_code == 404, path


def test_service_knows_the_client_came_by_tls(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    """Else the cookie with the stream token would travel without TLS, too."""
    answer = standing_nginx.request(
        "POST",
        "/sse/token",
        token=standing_server.token("waiter", "anna"),
        headers={"X-Forwarded-Proto": "http"},
    )
    assert "; Secure;" in answer.headers["Set-Cookie"] + ";"


def test_plain_http_is_redirected_for_pages_and_refused_where_tokens_are_sent(
    standing_nginx: NginxServer,
) -> None:
    plain = f"http://127.0.0.1:{standing_nginx.plain_port}"
    page = requests.get(f"{plain}/a?b=c", timeout=5, allow_redirects=False)
    assert page.status_code == 308
    assert page.headers["Location"] == "https://localhost/a?b=c"
    for path in ("/api/openapi.json", "/sse/waiter/anna?token=eyJ"):
        assert requests.get(plain + path, timeout=5).status_code == 403


def test_call_for_another_host_is_not_answered(standing_nginx: NginxServer) -> None:
    with (
        socket.create_connection(("127.0.0.1", standing_nginx.port), 5) as wire,
        pytest.raises(ssl.SSLError),
    ):
        standing_nginx.tls().wrap_socket(wire, server_hostname="scanner.example.net")


def test_body_limit_is_the_services_own(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    from app import MAX_BODY_BYTES

    def order(size: int) -> requests.Response:
        return standing_nginx.request(
            "POST",
            "/api/sessions/table-7/orders",
            token=standing_server.token("waiter", "anna"),
            headers={"Content-Type": "application/json"},
            data=b"{" + b" " * (size - 2) + b"}",
        )

    assert order(MAX_BODY_BYTES).status_code == 422, "the service itself finds it wanting"
    too_large = order(MAX_BODY_BYTES + 1)
    assert too_large.status_code == 413
    assert too_large.headers["Content-Type"] == "application/problem+json"
    assert too_large.json()["detail"] == "The body is larger than 64 KB."


def test_token_in_a_query_is_written_down_by_nobody_who_complains(make_nginx: MakeNginx) -> None:
    """Each of these would have its line in the error log, and the request in it."""
    nginx = make_nginx(Nobody())
    nginx.start()
    plain = f"http://127.0.0.1:{nginx.plain_port}"
    for method, path, status in (
        ("GET", "/sse/waiter/anna?token=eyJ.eyJ.x", 502),
        ("GET", "/sse/waiter/anna?%74oken=eyJ.eyJ.x", 502),
        ("POST", "/sse/token?token=eyJ.eyJ.x", 400),
        ("GET", "/api/waiters/anna/floor?token=eyJ.eyJ.x", 400),
        ("GET", "/sse/static/notifications.js?token=eyJ.eyJ.x", 400),
        ("GET", "/health/ready?token=eyJ.eyJ.x", 400),
    ):
        answer = nginx.request(method, path)
        assert (answer.status_code, answer.json()["status"]) == (status, status), path
        body = b"x" * 100_000
        assert nginx.request(method, path, data=body).status_code == 400, path
        assert requests.request(method, plain + path, data=body, timeout=5).status_code == 403
    assert "eyJ" not in nginx.error_log

    # It has not merely been switched off.
    nginx.get("/api/waiters/anna/floor")
    nginx.get("/sse/waiter/anna", data=b"x" * 100_000)
    assert "Connection refused" in nginx.error_log
    assert "too large body" in nginx.error_log


def test_browser_modules_are_kept_for_minutes_and_survive_the_service(
    start_server: Callable[..., ServiceServer], make_nginx: MakeNginx
) -> None:
    server = start_server()
    nginx = make_nginx(server)
    nginx.start()
    fresh = nginx.get("/sse/static/notifications.js", headers={"Accept-Encoding": "gzip"})
    assert fresh.status_code == 200
    assert fresh.headers["Cache-Control"] == "public, max-age=300"
    assert fresh.headers["Content-Type"].startswith("text/javascript")
    assert fresh.headers["Content-Encoding"] == "gzip"
    again = nginx.get(
        "/sse/static/notifications.js", headers={"If-None-Match": fresh.headers["ETag"]}
    )
    assert again.status_code == 304
    server.kill()
    assert nginx.get("/sse/static/notifications.js").text == fresh.text


def test_storm_from_one_address_is_slowed_and_told_when_to_come_back(
    standing_server: ServiceServer, make_nginx: MakeNginx
) -> None:
    nginx = make_nginx(standing_server)
    snippet = "snippets/restaurant-notifications/stream.conf"
    nginx.edit(snippet, "burst=2000 nodelay", "burst=2 nodelay")
    nginx.edit("conf.d/restaurant-notifications.conf", "rate=100r/s", "rate=1r/m")
    nginx.start()
    # Not even authenticated: the limit comes first, and spares the service.
    answers = [nginx.get("/sse/waiter/anna") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    assert answers[-1].headers["Content-Type"] == "application/problem+json"
    assert answers[-1].headers["Retry-After"] == "5"
    # Another address is none the worse for it.
    assert nginx.get("/sse/waiter/anna", outside=True).status_code == 401


def test_storm_of_browsers_is_as_large_as_promised(
    standing_server: ServiceServer, make_nginx: MakeNginx
) -> None:
    """Each fetches a token and opens a stream with it; neither may use up the other's share."""
    nginx = make_nginx(standing_server)
    site = "conf.d/restaurant-notifications.conf"
    for file in (site, "snippets/restaurant-notifications/stream.conf"):
        nginx.edit(file, "burst=2000 nodelay", "burst=2 nodelay")
    nginx.edit(site, "rate=100r/s", "rate=1r/m")
    nginx.start()

    def come_back() -> tuple[int, int]:
        token = nginx.request("POST", "/sse/token").status_code
        return token, nginx.get("/sse/waiter/anna").status_code

    assert [come_back() for _ in range(4)] == [(401, 401)] * 3 + [(429, 429)]


def test_access_log_tells_what_an_operator_asks(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    standing_nginx.get("/api/waiters/anna/floor?x=1", token=standing_server.token("waiter", "anna"))
    (line,) = wait_until(
        lambda: [
            line
            for line in standing_nginx.requests_logged
            if line["path"] == "/api/waiters/anna/floor"
        ]
    )
    assert line["status"] == 200
    assert line["client"] == "127.0.0.1"
    assert line["upstream"] == f"127.0.0.1:{standing_server.port}"
    assert float(line["upstreamHeaderSeconds"]) > 0
    assert "x=1" not in standing_nginx.access_log


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_that_comes_back_resumes_its_tls_session(
    standing_nginx: NginxServer, version: ssl.TLSVersion
) -> None:
    """In a storm of reconnects, the full handshake is what costs most."""
    context = standing_nginx.tls()
    context.minimum_version = context.maximum_version = version

    def connect(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool | None]:
        with (
            socket.create_connection(("127.0.0.1", standing_nginx.port), 5) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as wire,
        ):
            # TLS 1.3 hands out the session after the handshake: before the answer.
            wire.sendall(b"GET /nginx-health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert wire.recv(100).startswith(b"HTTP/1.1 200")
            return wire.session, wire.session_reused

    session, _ = connect(None)
    assert session is not None
    _, is_resumed = connect(session)
    assert is_resumed
