"""What nginx lets through, keeps to itself, and answers in the service's place."""

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


def send_raw(nginx: NginxServer, request: str) -> bytes:
    """Send ``request`` over TLS in our name, whatever it says itself; return the answer."""
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


def test_request_for_another_host_over_our_connection_is_hung_up_on_and_its_token_not_kept(
    make_nginx: MakeNginx,
) -> None:
    """The handshake names us, the request does not; nginx's own log format has the query."""
    nginx = make_nginx(Nobody())
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


#: "eyJ" in three spellings that the service reads alike, or in the page's own address.
HIDDEN_TOKENS = ("token=%65yJ.eyK.hidden", "|token=%65%79%4A.hidden", "%74oken=e%79J.hidden")


@pytest.mark.parametrize("path", ["/sse/waiter/anna", "/api/waiters/anna/floor", "/sse/token"])
def test_no_query_reaches_a_log_however_it_is_spelled(make_nginx: MakeNginx, path: str) -> None:
    """Nobody answers, so that each of these would be complained of."""
    nginx = make_nginx(Nobody())
    nginx.start()
    # By hand: a client library would write %65 as the letter it stands for.
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


def test_calls_with_a_query_are_served_as_any_other(
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
    assert fresh.headers["X-Content-Type-Options"] == "nosniff", "once"
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


def test_storm_for_modules_is_slowed_apart_from_everything_else(
    standing_server: ServiceServer, make_nginx: MakeNginx
) -> None:
    nginx = make_nginx(standing_server)
    site = "conf.d/restaurant-notifications.conf"
    nginx.edit(site, "burst=2000 nodelay", "burst=2 nodelay")
    nginx.edit(site, "rate=100r/s", "rate=1r/m")
    nginx.start()
    # What does not exist goes through to the service each time.
    paths = ["/sse/static/notifications.js"] + ["/sse/static/missing.js"] * 4
    answers = [nginx.get(path).status_code for path in paths]
    assert answers == [200, 404, 404, 429, 429]
    assert nginx.request("POST", "/sse/token").status_code == 401


def test_request_has_one_id_in_the_answer_and_in_both_logs(
    standing_server: ServiceServer, standing_nginx: NginxServer
) -> None:
    answer = standing_nginx.get("/sse/waiter/anna", headers={"X-Request-ID": "the-clients-own"})
    request_id = answer.json()["requestId"]
    assert request_id != "the-clients-own"
    assert answer.headers["X-Request-ID"] == request_id
    wait_until(lambda: f'"requestId":"{request_id}"' in standing_nginx.access_log)
    assert f"requestId={request_id}" in standing_server.log


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
