"""The log of streams names who follows what, and never contains a token."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.support.service_server import ServiceServer
from tests.support.sse_client import SseClient, SseRefused
from tests.support.waiting import wait_until


@pytest.fixture(params=["text", "json"])
def server(
    request: pytest.FixtureRequest, start_own: Callable[..., ServiceServer]
) -> ServiceServer:
    return start_own(LOG_FORMAT=request.param, LOG_LEVEL="DEBUG")


def lines_with(server: ServiceServer, message: str) -> list[str]:
    return [line for line in server.log.splitlines() if message in line]


def test_log_records_streams_events_and_refreshes_without_a_token(
    server: ServiceServer,
) -> None:
    """However a token arrives, refused or not, and at the most detailed level."""
    full = server.token("customer", "table-7")
    stream_token = server.post("/sse/token", token=full).json()["token"]
    forged = full[:-4] + "AAAA"
    expired = server.token("waiter", "anna", expires_in=-5)
    for token in (full, stream_token, forged, expired):
        server.get("/sse/session/table-9", token=token)
        server.get(f"/sse/waiter/anna?token={token}")
        server.get("/sse/waiter/anna", headers={"Cookie": f"sse_token={token}"})
        server.get(f"/nowhere/{token}?access_token={token}")
        server.get("/sse/health", headers={"Referer": f"http://house/?token={token}"})
        server.post("/sse/token", token=token, json={"token": token})
        with pytest.raises(SseRefused):
            SseClient(f"{server.url}/sse/waiter/ben?token={token}")

    guest = SseClient(f"{server.url}/sse/session/table-7?token={stream_token}")
    server.service.update_order_status("ord-1", "InProgress")
    guest.next("cache_refresh")
    guest.close()
    wait_until(lambda: lines_with(server, "stream closed"))

    log = server.log
    for token in (full, stream_token, forged, expired):
        for part in token.split("."):
            assert part not in log, "the log contains a part of a token"
    assert "eyJ" not in log

    connection_id = guest.events[0].data["connectionId"]
    [opened] = lines_with(server, "stream opened")
    [closed] = lines_with(server, "stream closed")
    [update] = lines_with(server, "order_update")
    for line in (opened, closed):
        assert connection_id in line
        assert "127.0.0.1" in line
        assert "session:table-7" in line
        assert "customer:table-7" in line
    assert "client_gone" in closed
    assert "waiter:anna" in update
    refreshes = " ".join(lines_with(server, "refresh sent"))
    assert "session:table-7" in refreshes
    assert "waiter:anna" in refreshes

    if server.env["LOG_FORMAT"] == "json":
        for line in log.splitlines():
            document = json.loads(line)
            assert {"timestamp", "level", "logger", "message"} <= set(document)
        assert json.loads(closed)["events"] == 2
        assert json.loads(closed)["reason"] == "client_gone"
    else:
        stamped = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ [\w.]+: "
        assert all(re.match(stamped, line) for line in log.splitlines())
        assert "events=2" in closed


def test_log_names_principal_channel_and_client_of_a_stream(server: ServiceServer) -> None:
    """Behind a proxy every connection comes from the proxy, which names its client."""
    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    for more in ({}, {"Origin": "http://elsewhere"}):  # by the door and by the blueprint
        manager = SseClient(
            f"{server.url}/sse/waiter/anna",
            token=server.token("manager", "mia"),
            headers=headers | more,
        )
        manager.close()
    wait_until(lambda: len(lines_with(server, "stream closed")) == 2)
    for line in lines_with(server, "stream closed"):
        for said in ("waiter:anna", "manager:mia", "203.0.113.9"):
            assert said in line


def test_log_names_channel_and_reason_of_a_refusal(server: ServiceServer) -> None:
    server.get("/sse/waiter/anna")
    server.get("/sse/waiter/anna", token=server.token("waiter", "ben"))

    anonymous, ben = lines_with(server, "stream refused")
    assert "not_authenticated" in anonymous
    assert "not_allowed" in ben
    assert "waiter:anna" in ben
