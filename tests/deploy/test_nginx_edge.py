"""The requests that nginx forwards, refuses, or answers itself."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.deploy.conftest import MakeNginx
from tests.support.nginx_server import NginxServer
from tests.support.raw_http import exchange
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.nginx


class Absent:
    """An instance that is not running."""

    port = 9  # discard: no server listens there


def test_nginx_accepts_the_shipped_configuration_without_a_warning(make_nginx: MakeNginx) -> None:
    class Instance:
        port = 8001

    checked = make_nginx(Instance(), Instance()).check()
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr
    assert "test is successful" in checked.stderr


@pytest.mark.parametrize("path", ["/metrics", "/health/live", "/health/ready", "/nginx-health"])
def test_internal_pages_are_only_shown_to_internal_networks(
    standing_nginx: NginxServer, path: str
) -> None:
    assert standing_nginx.get(path).status_code == 200
    refused = standing_nginx.get(path, outside=True)
    assert refused.status_code == 403
    assert "restaurant" not in refused.text


def test_each_instance_can_be_addressed_by_its_name(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    instance = f"/instances/{standing_server.port}"
    assert standing_nginx.get(f"{instance}/health/ready").json() == {"status": "ready"}
    assert "restaurant_streams_open" in standing_nginx.get(f"{instance}/metrics").text
    assert standing_nginx.get(f"{instance}/metrics", outside=True).status_code == 403
    # It must not lead to other ports of this machine or other pages of an instance.
    assert standing_nginx.get("/instances/22/metrics").status_code == 404
    assert standing_nginx.get(f"{instance}/api/openapi.json").status_code == 404


def test_outsiders_only_learn_that_the_service_is_healthy(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    inside = standing_nginx.get("/sse/health")
    assert inside.json()["activeConnections"]["total"] == 0
    outside = standing_nginx.get("/sse/health", outside=True)
    assert (outside.status_code, outside.json()) == (200, {"status": "healthy"})


def test_outsiders_learn_that_the_service_is_not_healthy(make_nginx: MakeNginx) -> None:
    nginx = make_nginx(Absent())
    nginx.start()
    outside = nginx.get("/sse/health", outside=True)
    assert (outside.status_code, outside.json()) == (503, {"status": "unhealthy"})


def test_only_the_service_is_reachable(standing_nginx: NginxServer) -> None:
    for path in ("/", "/demo", "/static/x", "/sse/", "/sse/other", "/.env"):
        assert standing_nginx.get(path).status_code == 404, path


def test_the_service_knows_that_the_client_uses_tls(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    """Otherwise the cookie with the stream token would also be sent without TLS."""
    answer = standing_nginx.request(
        "POST",
        "/sse/token",
        token=standing_server.token("waiter", "anna"),
        headers={"X-Forwarded-Proto": "http"},
    )
    assert "; Secure;" in answer.headers["Set-Cookie"] + ";"


def test_plain_http_is_redirected_for_pages_and_refused_for_calls_with_tokens(
    standing_nginx: NginxServer,
) -> None:
    plain = f"http://127.0.0.1:{standing_nginx.plain_port}"
    page = requests.get(f"{plain}/a?b=c", timeout=5, allow_redirects=False)
    assert page.status_code == 308
    assert page.headers["Location"] == "https://localhost/a?b=c"
    for path in ("/api/openapi.json", "/sse/waiter/anna?token=eyJ"):
        assert requests.get(plain + path, timeout=5).status_code == 403


def test_a_call_for_another_host_is_not_answered(standing_nginx: NginxServer) -> None:
    with (
        socket.create_connection(("127.0.0.1", standing_nginx.port), 5) as wire,
        pytest.raises(ssl.SSLError),
    ):
        standing_nginx.tls().wrap_socket(wire, server_hostname="scanner.example.net")


def send_raw(nginx: NginxServer, request: str) -> bytes:
    """Send ``request`` over TLS with our host name in the handshake; return the answer."""
    with (
        socket.create_connection(("127.0.0.1", nginx.port), 5) as plain,
        nginx.tls().wrap_socket(plain, server_hostname="localhost") as wire,
    ):
        wire.sendall(request.encode())
        answer = b""
        with contextlib.suppress(ConnectionError):
            while data := wire.recv(65_536):
                answer += data
    return answer


def test_a_request_for_another_host_is_cut_off_and_its_token_not_logged(
    make_nginx: MakeNginx,
) -> None:
    """The handshake names us, the request does not; nginx's own log format has the query."""
    nginx = make_nginx(Absent())
    nginx.start()
    default_log = Path("/var/log/nginx/access.log")
    before = default_log.stat().st_size if default_log.exists() else 0
    answer = send_raw(
        nginx,
        "GET /sse/waiter/anna?token=eyJ.eyJ.foreign HTTP/1.1\r\n"
        "Host: foreign.example.net\r\nReferer: https://x/?t=eyJ.eyJ.foreign\r\n\r\n",
    )
    assert answer == b""
    (line,) = wait_until(lambda: [each for each in nginx.requests_logged if each["status"] == 444])
    assert line["path"] == "/sse/waiter/anna"
    assert "eyJ" not in nginx.access_log + nginx.error_log
    after = default_log.stat().st_size if default_log.exists() else 0
    assert after == before


#: "eyJ" in three spellings that the service reads as the same, or in the page's own address.
HIDDEN_TOKENS = ("token=%65yJ.eyK.hidden", "|token=%65%79%4A.hidden", "%74oken=e%79J.hidden")


@pytest.mark.parametrize("path", ["/sse/waiter/anna", "/api/waiters/anna/floor", "/sse/token"])
def test_no_query_reaches_a_log_in_any_spelling(make_nginx: MakeNginx, path: str) -> None:
    """No instance answers, so nginx would log an error for each of these."""
    nginx = make_nginx(Absent())
    nginx.start()
    # Written by hand, because a client library replaces %65 by its letter.
    end = "Host: localhost\r\nConnection: close\r\n"
    for query in HIDDEN_TOKENS:
        assert b" 502 " in send_raw(nginx, f"GET {path}?{query} HTTP/1.1\r\n{end}\r\n")
        page = f"Referer: https://localhost/table?{query}\r\n"
        assert b" 502 " in send_raw(nginx, f"GET {path} HTTP/1.1\r\n{end}{page}\r\n")
        body = f"Content-Length: 100000\r\n\r\n{'x' * 100_000}"
        send_raw(nginx, f"POST {path}?{query} HTTP/1.1\r\n{end}{body}")
        plain = f"GET /.well-known/acme-challenge/x?{query} HTTP/1.1\r\n{end}\r\n"
        exchange(f"http://127.0.0.1:{nginx.plain_port}", plain.encode())
    nginx.get("/sse/waiter/eyJ.eyJ.hidden", headers={"User-Agent": "Bearer eyJ.eyJ.hidden"})
    wait_until(lambda: len(nginx.requests_logged) > 3 * len(HIDDEN_TOKENS))
    assert "hidden" not in nginx.access_log + nginx.error_log


def test_calls_with_a_query_are_served_like_any_other(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    token = standing_server.token("waiter", "anna")
    page = {"Referer": "https://localhost/floor?shift=late"}
    for query, headers in (("?limit=5", {}), ("", page), ("?limit=5", page)):
        answer = standing_nginx.get(f"/api/sessions/table-7{query}", token=token, headers=headers)
        assert answer.status_code == 200
        made = standing_nginx.request("POST", f"/sse/token{query}", token=token, headers=headers)
        assert made.status_code == 200
        module = standing_nginx.get(f"/sse/static/notifications.js{query}", headers=headers)
        assert module.status_code == 200
        health = standing_nginx.get(f"/sse/health{query}", headers=headers, outside=True)
        assert health.json() == {"status": "healthy"}
        assert standing_nginx.get(f"/metrics{query}", headers=headers).status_code == 200
        assert standing_nginx.get(f"/nothing{query}", headers=headers).status_code == 404
    too_large = standing_nginx.request(
        "POST", "/api/sessions/table-7/orders?a=b", token=token, data=b"x" * 70_000
    )
    assert too_large.status_code == 413
    assert too_large.headers["Content-Type"] == "application/problem+json"


def test_nginx_has_the_body_limit_of_the_service(
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

    assert order(MAX_BODY_BYTES).status_code == 422, "the service itself refuses it"
    too_large = order(MAX_BODY_BYTES + 1)
    assert too_large.status_code == 413
    assert too_large.headers["Content-Type"] == "application/problem+json"
    assert too_large.json()["detail"] == "The body is larger than 64 KB."


def test_no_error_log_contains_a_token_from_a_query(make_nginx: MakeNginx) -> None:
    """Each of these would write the request to the error log."""
    nginx = make_nginx(Absent())
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

    # The log is not simply switched off.
    nginx.get("/api/waiters/anna/floor")
    nginx.get("/sse/waiter/anna", data=b"x" * 100_000)
    assert "Connection refused" in nginx.error_log
    assert "too large body" in nginx.error_log


def test_browser_modules_are_cached_for_minutes_and_served_without_the_service(
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
    assert fresh.headers["X-Content-Type-Options"] == "nosniff", "once"
    again = nginx.get(
        "/sse/static/notifications.js", headers={"If-None-Match": fresh.headers["ETag"]}
    )
    assert again.status_code == 304
    server.kill()
    assert nginx.get("/sse/static/notifications.js").text == fresh.text


def test_a_storm_from_one_address_is_slowed_and_told_when_to_try_again(
    standing_server: ServiceServer, make_nginx: MakeNginx
) -> None:
    nginx = make_nginx(standing_server)
    snippet = "snippets/restaurant-notifications/stream.conf"
    nginx.edit(snippet, "burst=2000 nodelay", "burst=2 nodelay")
    nginx.edit("conf.d/restaurant-notifications.conf", "rate=100r/s", "rate=1r/m")
    nginx.start()
    # The limit comes before authentication and protects the service.
    answers = [nginx.get("/sse/waiter/anna") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
    assert answers[-1].headers["Content-Type"] == "application/problem+json"
    assert answers[-1].headers["Retry-After"] == "5"
    # Another address is not affected.
    assert nginx.get("/sse/waiter/anna", outside=True).status_code == 401


def test_a_storm_for_modules_is_limited_separately(
    standing_server: ServiceServer, make_nginx: MakeNginx
) -> None:
    nginx = make_nginx(standing_server)
    site = "conf.d/restaurant-notifications.conf"
    nginx.edit(site, "burst=2000 nodelay", "burst=2 nodelay")
    nginx.edit(site, "rate=100r/s", "rate=1r/m")
    nginx.start()
    # A request for a missing file reaches the service each time.
    paths = ["/sse/static/notifications.js"] + ["/sse/static/missing.js"] * 4
    answers = [nginx.get(path).status_code for path in paths]
    assert answers == [200, 404, 404, 429, 429]
    assert nginx.request("POST", "/sse/token").status_code == 401


def test_a_request_has_the_same_id_in_the_answer_and_both_logs(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    answer = standing_nginx.get("/sse/waiter/anna", headers={"X-Request-ID": "the-clients-own"})
    request_id = answer.json()["requestId"]
    assert request_id != "the-clients-own"
    assert answer.headers["X-Request-ID"] == request_id
    wait_until(lambda: f'"requestId":"{request_id}"' in standing_nginx.access_log)
    assert f"requestId={request_id}" in standing_server.log


def test_the_documented_number_of_browsers_can_return_at_once(
    standing_server: ServiceServer, make_nginx: MakeNginx
) -> None:
    """Each browser gets a token and opens a stream. The two limits must be separate."""
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


def test_the_access_log_has_what_an_operator_needs(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    standing_nginx.get(
        "/api/waiters/anna/floor?limit=9", token=standing_server.token("waiter", "anna")
    )
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
    assert "limit=9" not in standing_nginx.access_log


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_returning_client_resumes_its_tls_session(
    standing_nginx: NginxServer, version: ssl.TLSVersion
) -> None:
    """In a storm of reconnects, the full handshake costs most."""
    context = standing_nginx.tls()
    context.minimum_version = context.maximum_version = version

    def connect(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool | None]:
        with (
            socket.create_connection(("127.0.0.1", standing_nginx.port), 5) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as wire,
        ):
            # TLS 1.3 sends the session after the handshake, before the answer.
            wire.sendall(b"GET /nginx-health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert wire.recv(100).startswith(b"HTTP/1.1 200")
            return wire.session, wire.session_reused

    session, _ = connect(None)
    assert session is not None
    _, is_resumed = connect(session)
    assert is_resumed
