"""The answers of ``/sse``, without a server in between.

``tests/streams`` tests the same over real sockets.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from notifications.access import auth
from notifications.access.auth import Authenticator, create_token
from notifications.access.stream_venues import OnlyMain, StreamVenues
from notifications.access.token_keys import TokenKeys
from notifications.brokers.memory.broker import MemoryBroker
from notifications.entrance import problems
from notifications.entrance.blueprint import create_blueprint
from notifications.entrance.entrance import StreamEntrance
from notifications.principal import Role
from notifications.streams.admission import StreamLimits
from notifications.streams.service import SseService, StreamOptions
from waiter_service.errors import DatabaseUnavailable

KEYS = TokenKeys("a secret that only the tests use")
HEALTHY = {"status": "healthy"}


EVENT_STREAM = {"Accept": "text/event-stream"}


class Site:
    """The blueprint in its own application."""

    def __init__(self, **options: Any) -> None:
        self.sse = SseService(MemoryBroker(), StreamOptions(**options))
        self.health: dict[str, Any] = dict(HEALTHY)
        self.entrance = StreamEntrance(self.sse, Authenticator(KEYS))
        self.app = Flask(__name__)
        problems.init_app(self.app)
        auth.init_app(self.app, KEYS)
        self.app.register_blueprint(create_blueprint(self.entrance, lambda: self.health))
        self.sse.start()
        self.client: FlaskClient = self.app.test_client()

    def token(self, role: str = "waiter", subject: str = "anna", **claims: Any) -> str:
        with self.app.app_context():
            return create_token(Role(role), subject, lifetime_seconds=60, claims=claims)

    def get(self, path: str, token: str | None = None, **kwargs: Any) -> TestResponse:
        headers = kwargs.pop("headers", {})
        if token is not None:
            headers = {**headers, "Authorization": f"Bearer {token}"}
        return self.client.get(path, headers=headers, **kwargs)

    def exchange(self, role: str, subject: str, body: Any = None, **kwargs: Any) -> TestResponse:
        """Ask for a stream token as this bearer. The client keeps its cookie."""
        headers = {"Authorization": f"Bearer {self.token(role, subject)}"}
        return self.client.post("/sse/token", headers=headers, json=body, **kwargs)

    def stream_token(self) -> str:
        answer = self.client.post("/sse/token", headers={"Authorization": f"Bearer {self.token()}"})
        self.client.delete_cookie("sse_token", path="/sse/waiter/anna")
        return str(answer.get_json()["token"])


@pytest.fixture
def build() -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def make(**options: Any) -> Site:
        sites.append(Site(**options))
        return sites[-1]

    yield make
    for site in sites:
        site.sse.stop()


@pytest.fixture
def site(build: Callable[..., Site]) -> Site:
    return build()


def greeting(answer: TestResponse) -> dict[str, Any]:
    """Return the data of a stream's first event, and hang up."""
    assert answer.status_code == 200
    first = next(answer.iter_encoded()).decode()
    answer.close()
    data: dict[str, Any] = json.loads(first.split("data: ")[1].split("\n")[0])
    return data


def in_band(stream: str) -> dict[str, Any]:
    """Return the data of a refused stream's ``closing`` event; its ``retry:`` must agree."""
    retry, event, data, *end = stream.split("\n")
    assert (event, end) == ("event: closing", ["", ""])
    closing: dict[str, Any] = json.loads(data.removeprefix("data: "))
    assert retry == f"retry: {closing['reconnectInMs']}"
    return closing


def test_stream_begins_with_its_greeting_and_headers_that_forbid_buffering(site: Site) -> None:
    answer = site.get("/sse/waiter/anna", site.token())
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store, no-transform"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in answer.headers
    assert greeting(answer)["waiterId"] == "anna"
    assert site.sse.counts() == {"session": 0, "waiter": 0, "floor": 0, "kitchen": 0}


def test_head_is_answered_with_the_headers_and_opens_no_stream(site: Site) -> None:
    answer = site.client.head(
        "/sse/waiter/anna", headers={"Authorization": f"Bearer {site.token()}"}
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.data == b""
    assert site.sse.stats.opened == {}


def test_head_is_refused_where_get_is_refused(site: Site) -> None:
    assert site.client.head("/sse/waiter/anna").status_code == 401
    headers = {"Authorization": f"Bearer {site.token()}"}
    assert site.client.head("/sse/waiter/ben", headers=headers).status_code == 403


# -- tokens for browsers ------------------------------------------------------------------


def test_stream_token_comes_as_json_and_as_an_http_only_cookie(site: Site) -> None:
    answer = site.client.post("/sse/token", headers={"Authorization": f"Bearer {site.token()}"})
    document = answer.get_json()
    assert answer.status_code == 200
    assert list(document) == ["expiresAt", "expiresIn", "token"]
    assert 0 < document["expiresIn"] <= 60
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"sse_token={document['token']};")
    attributes = {part.strip() for part in cookie.split(";")[1:]}
    assert {"HttpOnly", "Path=/sse/waiter/anna", "SameSite=Strict"} <= attributes
    assert "Secure" not in attributes


def test_cookie_of_an_https_site_is_secure(site: Site) -> None:
    answer = site.client.post(
        "/sse/token",
        headers={"Authorization": f"Bearer {site.token()}"},
        base_url="https://restaurant.example.com",
    )
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Secure-sse_token=")
    assert "Secure" in {part.strip() for part in cookie.split(";")}
    token = answer.get_json()["token"]
    for name, status in (("__Secure-sse_token", 200), ("sse_token", 401)):
        # A client without a cookie jar, which would add its own cookie.
        opened = site.app.test_client(use_cookies=False).get(
            "/sse/waiter/anna",
            headers={"Cookie": f"{name}={token}"},
            base_url="https://restaurant.example.com",
        )
        assert opened.status_code == status, name
        opened.close()


@pytest.mark.parametrize(
    ("who", "body", "path"),
    [
        (("waiter", "anna"), None, "/sse/waiter/anna"),
        (("waiter", "anna"), {}, "/sse/waiter/anna"),
        (("waiter", "anna"), {"stream": None}, "/sse/waiter/anna"),
        (("customer", "table-7"), None, "/sse/session/table-7"),
        (("manager", "mia"), None, "/sse"),
        (("manager", "mia"), {"stream": "/sse/session/table-7"}, "/sse/session/table-7"),
    ],
)
def test_cookie_has_the_path_of_the_requested_stream(
    site: Site, who: tuple[str, str], body: dict[str, Any] | None, path: str
) -> None:
    answer = site.exchange(*who, body)
    assert answer.status_code == 200
    assert f"; Path={path};" in f"{answer.headers['Set-Cookie']};"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"stream": "/sse/waiter/ben"}, 403),
        ({"stream": "/sse/waiter/nobody"}, 403),
        ({"stream": "/sse/waiter/a b"}, 403),
        ({"stream": "/sse/waiter/anna; Domain=example.com"}, 403),
        ({"stream": "https://example.com/sse/waiter/anna"}, 403),
        ({"stream": "/sse/kettle/anna"}, 403),
        ({"stream": ""}, 403),
        ({"stream": 7}, 400),
        ({"stream": ["/sse/waiter/anna"]}, 400),
        ([], 400),
        ("/sse/waiter/anna", 400),
    ],
)
def test_no_token_is_made_for_a_stream_the_bearer_may_not_open(
    site: Site, body: Any, status: int
) -> None:
    answer = site.exchange("waiter", "anna", body)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert "Set-Cookie" not in answer.headers


def test_two_streams_in_one_browser_each_keep_their_own_cookie(site: Site) -> None:
    site.exchange("waiter", "anna")
    site.exchange("customer", "table-7")
    assert greeting(site.get("/sse/waiter/anna"))
    assert greeting(site.get("/sse/session/table-7"))


@pytest.mark.parametrize("stream", [None, "/sse/waiter/anna", "/restaurant/sse/waiter/anna"])
def test_cookie_of_a_service_below_a_path_includes_that_path(
    site: Site, stream: str | None
) -> None:
    body = None if stream is None else {"stream": stream}
    answer = site.exchange("waiter", "anna", body, base_url="http://localhost/restaurant")
    assert "Path=/restaurant/sse/waiter/anna" in answer.headers["Set-Cookie"]


def test_stream_token_opens_a_stream_from_header_query_or_cookie(site: Site) -> None:
    token = site.stream_token()
    assert greeting(site.get("/sse/waiter/anna", token))
    assert greeting(site.get(f"/sse/waiter/anna?token={token}"))
    site.client.set_cookie("sse_token", token, path="/sse")
    assert greeting(site.get("/sse/waiter/anna"))


def test_stream_token_cannot_be_exchanged_for_another(site: Site) -> None:
    token = site.stream_token()
    answer = site.client.post("/sse/token", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert answer.content_type == "application/problem+json"


def test_stream_token_is_only_made_from_the_header(site: Site) -> None:
    """From a cookie or a query, another site or the reader of a log could make tokens."""
    token = site.token()
    site.client.set_cookie("sse_token", token, path="/sse")
    assert site.client.post("/sse/token").status_code == 401
    assert site.client.post(f"/sse/token?token={token}").status_code == 401


def test_full_token_is_refused_in_query_and_cookie(site: Site) -> None:
    token = site.token()
    in_query = site.get(f"/sse/waiter/anna?token={token}")
    site.client.set_cookie("sse_token", token, path="/sse")
    in_cookie = site.get("/sse/waiter/anna")
    for answer in (in_query, in_cookie):
        assert answer.status_code == 401
        assert answer.content_type == "application/problem+json"
        assert "POST /sse/token" in answer.get_json(force=True)["detail"]
        assert token not in answer.text


def test_header_wins_over_query_and_cookie(site: Site) -> None:
    good, bad = site.stream_token(), "nonsense"
    assert greeting(site.get(f"/sse/waiter/anna?token={bad}", good))
    assert site.get(f"/sse/waiter/anna?token={good}", bad).status_code == 401


@pytest.mark.parametrize("authorization", ["Basic c3RhZ2luZzpvcGVu", "Bearer", "Digest x", ""])
def test_header_without_a_bearer_token_is_ignored(site: Site, authorization: str) -> None:
    """The proxy of a staging site may ask for a password in this header."""
    headers = {"Authorization": authorization}
    token = site.stream_token()
    assert greeting(site.get(f"/sse/waiter/anna?token={token}", headers=headers))
    site.client.set_cookie("sse_token", token, path="/sse")
    assert greeting(site.get("/sse/waiter/anna", headers=headers))
    assert site.client.post("/sse/token", headers=headers).status_code == 401


# -- resume -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "query", "resumed"),
    [
        ({}, "", False),
        ({"Last-Event-ID": "{epoch}-0"}, "", True),
        ({}, "?lastEventId={epoch}-0", True),
        ({"Last-Event-ID": "{epoch}-0"}, "?lastEventId=nonsense", True),
        ({"Last-Event-ID": "nonsense"}, "?lastEventId={epoch}-0", False),
        ({"Last-Event-ID": ""}, "?lastEventId={epoch}-0", True),
        ({}, "?lastEventId=", False),
    ],
)
def test_header_wins_over_query_for_the_place_to_resume_from(
    site: Site, headers: dict[str, str], query: str, resumed: bool
) -> None:
    epoch = site.sse._broker.tip("main:waiter:anna").epoch
    answer = site.get(
        "/sse/waiter/anna" + query.format(epoch=epoch),
        site.token(),
        headers={name: value.format(epoch=epoch) for name, value in headers.items()},
    )
    assert greeting(answer)["resumed"] is resumed


# -- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (StreamLimits(max_streams_per_principal=0), 429),
        (StreamLimits(max_streams=0), 503),
    ],
)
def test_refusal_tells_when_to_reconnect(
    build: Callable[..., Site], limits: StreamLimits, status: int
) -> None:
    site = build(limits=limits)
    answer = site.get("/sse/waiter/anna", site.token())
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0


def test_client_that_accepts_event_streams_is_refused_in_band(build: Callable[..., Site]) -> None:
    site = build(limits=StreamLimits(max_streams=0))
    answer = site.get("/sse/waiter/anna", site.token(), headers=EVENT_STREAM)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    refused = in_band(answer.text)
    assert refused.pop("reconnectInMs") in range(5000, 10_001)
    assert refused == {
        "code": "server_full",
        "reason": "This server has as many streams open as it may have.",
        "reconnect": True,
    }
    assert site.sse.stats.refused == {"server_full": 1}


@pytest.mark.parametrize(
    "accept",
    [
        "text/html, text/event-stream;charset=utf-8",
        "Text/Event-Stream; q=0.1",
    ],
)
def test_accept_header_is_understood_in_any_spelling(
    build: Callable[..., Site], accept: str
) -> None:
    site = build(limits=StreamLimits(max_streams=0))
    answer = site.get("/sse/waiter/anna", site.token(), headers={"Accept": accept})
    assert in_band(answer.text)["code"] == "server_full"


@pytest.mark.parametrize("accept", ["*/*", "text/*", "text/event-stream;q=0", "application/json"])
def test_other_clients_are_refused_with_a_status(build: Callable[..., Site], accept: str) -> None:
    site = build(limits=StreamLimits(max_streams=0))
    answer = site.get("/sse/waiter/anna", site.token(), headers={"Accept": accept})
    assert answer.status_code == 503
    assert answer.get_json()["code"] == "server_full"


@pytest.mark.parametrize(
    ("peers", "is_trusted"),
    [
        (["127.0.0.1", "::1"], True),
        (["*"], True),
        (["10.0.0.0/8", " 127.0.0.0/8 "], True),
        (["10.0.0.0/8", "::1"], False),
        ([], False),
    ],
)
def test_only_a_trusted_peer_may_ask_for_a_status(
    build: Callable[..., Site], peers: list[str], is_trusted: bool
) -> None:
    site = build(limits=StreamLimits(max_streams=0))
    site.entrance.trust(peers)
    headers = EVENT_STREAM | {"X-Refusals": "status"}
    answer = site.get("/sse/waiter/anna", site.token(), headers=headers)
    assert answer.status_code == (503 if is_trusted else 200)
    if is_trusted:
        assert answer.headers["X-Refusal-Code"] == "server_full"
        assert answer.headers["X-Refusal-Reason"] == answer.get_json()["detail"]


def test_missing_access_is_refused_with_a_status_for_every_client(site: Site) -> None:
    assert site.get("/sse/waiter/anna", headers=EVENT_STREAM).status_code == 401
    answer = site.get("/sse/waiter/ben", site.token(), headers=EVENT_STREAM)
    assert answer.status_code == 403
    assert answer.content_type == "application/problem+json"


def test_draining_process_asks_to_retry_after_one_second(site: Site) -> None:
    site.sse.refuse_new_streams()
    answer = site.get("/sse/waiter/anna", site.token())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"


def test_health_answers_503_when_it_is_unhealthy(site: Site) -> None:
    assert site.get("/sse/health").status_code == 200
    site.health = {"status": "unhealthy", "reason": "broker: away"}
    answer = site.get("/sse/health")
    assert answer.status_code == 503
    assert answer.get_json()["reason"] == "broker: away"


# -- sockets ---------------------------------------------------------------------------------------


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0] as accepted,
    ):
        assert client
        yield accepted


def options_of(sock: socket.socket) -> tuple[float | None, int, int]:
    return (
        sock.gettimeout(),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK),
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
    )


def test_connection_of_a_refused_stream_keeps_its_options(
    build: Callable[..., Site], connection: socket.socket
) -> None:
    """The connection may carry other requests afterwards."""
    site = build(limits=StreamLimits(max_streams=0))
    before = options_of(connection)
    answer = site.get(
        "/sse/waiter/anna", site.token(), environ_overrides={"gunicorn.socket": connection}
    )
    assert answer.status_code == 503
    assert options_of(connection) == before


def test_write_to_a_tls_client_has_a_deadline(site: Site, connection: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as tls:
        answer = site.get(
            "/sse/waiter/anna", site.token(), environ_overrides={"gunicorn.socket": tls}
        )
        assert greeting(answer)
        assert tls.gettimeout() == site.sse.options.write_deadline_seconds
        assert tls.getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK) == 0


@pytest.mark.parametrize(
    ("role", "subject", "claims", "path"),
    [
        ("manager", "mia", {}, "/sse/floor/main"),
        ("manager", "mia", {"venue": "north"}, "/sse/kitchen/north"),
        ("manager", "mia", {"venue": "*"}, "/sse/floor/north"),
        ("display", "main", {}, "/sse/floor/main"),
        ("kitchen", "north", {"venue": "north"}, "/sse/kitchen/north"),
    ],
)
def test_floor_and_kitchen_are_streams_that_name_their_venue(
    site: Site, role: str, subject: str, claims: dict[str, str], path: str
) -> None:
    told = greeting(site.get(path, site.token(role, subject, **claims)))
    assert told["venueId"] == path.rpartition("/")[2]
    assert {"sessionId", "waiterId"}.isdisjoint(told)


@pytest.mark.parametrize(
    ("role", "subject", "claims", "path"),
    [
        ("manager", "mia", {}, "/sse/floor/north"),
        ("manager", "mia", {"venue": "north"}, "/sse/waiter/anna"),
        ("display", "main", {}, "/sse/kitchen/main"),
        ("display", "main", {}, "/sse/waiter/anna"),
        ("kitchen", "main", {}, "/sse/floor/main"),
        ("kitchen", "north", {}, "/sse/kitchen/north"),
        ("kitchen", "main", {"venue": "*"}, "/sse/kitchen/main"),
        ("waiter", "anna", {"venue": "north"}, "/sse/waiter/anna"),
        ("waiter", "anna", {}, "/sse/floor/main"),
        ("customer", "table-7", {}, "/sse/kitchen/main"),
        ("service", "till", {"venue": "*"}, "/sse/floor/main"),
    ],
)
def test_streams_of_other_venues_and_roles_are_forbidden(
    site: Site, role: str, subject: str, claims: dict[str, str], path: str
) -> None:
    assert site.get(path, site.token(role, subject, **claims)).status_code == 403


@pytest.mark.parametrize("venue", ["", "no id", 7, ["main"], {"id": "main"}, "north/main", True])
def test_venue_claim_that_is_no_id_is_no_good_token(site: Site, venue: Any) -> None:
    token = site.token("manager", "mia", venue=venue)
    assert site.get("/sse/floor/main", token).status_code == 401


@pytest.mark.parametrize(
    ("role", "subject", "claims", "path"),
    [
        ("kitchen", "north", {"venue": "north"}, "/sse/kitchen/north"),
        ("display", "main", {}, "/sse/floor/main"),
    ],
)
def test_stream_token_of_a_venue_is_for_its_own_stream_and_keeps_the_venue(
    site: Site, role: str, subject: str, claims: dict[str, str], path: str
) -> None:
    headers = {"Authorization": f"Bearer {site.token(role, subject, **claims)}"}
    answer = site.client.post("/sse/token", headers=headers)
    assert f"Path={path};" in answer.headers["Set-Cookie"]
    told = greeting(site.client.get(f"{path}?token={answer.get_json()['token']}"))
    assert told["venueId"] == subject


def test_service_gets_no_stream_token(site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.token('service', 'till', venue='*')}"}
    assert site.client.post("/sse/token", headers=headers).status_code == 403


def test_stream_whose_venue_cannot_be_read_may_be_tried_again(site: Site) -> None:
    class Away(OnlyMain):
        def venue_of(self, _kind: str, _thing_id: str) -> str:
            raise DatabaseUnavailable("away")

    site.entrance.venues = StreamVenues(Away(), site.sse.streams)
    answer = site.get("/sse/waiter/anna", site.token())
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    # What needs no read is answered as ever.
    assert site.get("/sse/waiter/ben", site.token()).status_code == 403
    greeting(site.get("/sse/floor/main", site.token("display", "main")))
