"""Streams end when access is withdrawn, and the bearer cannot open another."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import psycopg
import pytest

from tests.support.command_line import flask
from tests.support.programs import REPOSITORY, find_program
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer
from tests.support.sse_client import SseClient, SseRefused
from tests.support.waiting import wait_until
from waiter_service.revocations import Revocations


@pytest.fixture
def revocations(server: ServiceServer) -> Revocations:
    return Revocations(server.service.database)


def assert_closed(client: SseClient, code: str, *, reconnect: bool) -> None:
    closing = client.next("closing").data
    assert (closing["code"], closing["reconnect"]) == (code, reconnect)
    client.wait_ended()


def test_revoking_a_waiter_ends_exactly_their_streams(
    server: ServiceServer, revocations: Revocations
) -> None:
    token = server.token("waiter", "anna", iat=1)
    first = server.listen_waiter("anna", token=token)
    second = server.listen_waiter("anna", token=token)
    ben = server.listen_waiter("ben")

    revocations.revoke_waiter("anna")

    for client in (first, second):
        assert_closed(client, "token_revoked", reconnect=False)
    with pytest.raises(SseRefused) as refused:
        server.listen_waiter("anna", token=token)
    assert refused.value.status == 401
    assert not ben.has_ended


def test_waiter_and_manager_with_one_name_are_revoked_separately(
    server: ServiceServer, revocations: Revocations
) -> None:
    waiter = server.listen_waiter("anna", token=server.token("waiter", "anna", iat=1))
    manager = server.listen_waiter("anna", token=server.token("manager", "anna", iat=1))

    revocations.revoke_waiter("anna")
    assert_closed(waiter, "token_revoked", reconnect=False)
    assert not manager.has_ended

    revocations.revoke_manager("anna")
    assert_closed(manager, "token_revoked", reconnect=False)


def test_revoking_one_token_does_not_affect_other_tokens_of_the_bearer(
    server: ServiceServer, revocations: Revocations
) -> None:
    lost = server.listen_waiter("anna", token=server.token("waiter", "anna", jti="lost-phone"))
    kept = server.listen_waiter("anna", token=server.token("waiter", "anna", jti="tablet"))

    revocations.revoke_token("lost-phone")

    assert_closed(lost, "token_revoked", reconnect=False)
    assert not kept.has_ended


def test_stream_token_is_revoked_with_the_token_it_was_made_from(
    server: ServiceServer, revocations: Revocations
) -> None:
    full = server.token("customer", "table-7", jti="phone")
    stream_token = server.post("/sse/token", token=full).json()["token"]
    client = SseClient(f"{server.url}/sse/session/table-7?token={stream_token}")
    client.next("connection")

    revocations.revoke_token("phone")

    assert_closed(client, "token_revoked", reconnect=False)
    client.close()


def test_revocation_survives_a_crash(server: ServiceServer, revocations: Revocations) -> None:
    token = server.token("waiter", "anna", iat=1)
    revocations.revoke_waiter("anna")

    server.kill()
    server.start()

    assert server.get("/sse/waiter/anna", token=token).status_code == 401


@pytest.mark.parametrize("clock", ["-35s", "-1h", "+1h"])
def test_revocation_from_a_machine_with_a_wrong_clock_takes_effect_at_once(
    server: ServiceServer, clock: str
) -> None:
    token = server.token("waiter", "anna", iat=time.time() - 60)
    anna = server.listen_waiter("anna", token=token)

    revoked = flask(server, "token", "revoke", "--waiter", "anna", clock=clock)
    done_at = time.time()

    assert revoked.returncode == 0, revoked.stderr
    assert_closed(anna, "token_revoked", reconnect=False)
    server.restart()
    assert server.get("/sse/waiter/anna", token=token).status_code == 401
    # A token issued from now on is good, even if that clock was fast.
    later = server.token("waiter", "anna", iat=done_at + 2)
    server.listen_waiter("anna", token=later)


def test_closing_a_session_from_a_machine_with_a_wrong_clock_ends_its_streams(
    server: ServiceServer,
) -> None:
    guest = server.listen_session("table-7")
    script = (
        "from waiter_service import *; "
        "WaiterService.from_env().close_session('table-7', force=True, reason='gone')"
    )
    subprocess.run(
        [find_program("faketime"), "-f", "-1h", sys.executable, "-c", script],
        cwd=REPOSITORY,
        env=server.env,
        timeout=30,
        check=True,
    )
    assert_closed(guest, "session_closed", reconnect=False)


@pytest.mark.postgres
def test_revocation_committed_after_later_ones_ends_the_streams_of_all_processes(
    seeded_postgres_url: str,
    redis_server: RedisServer,
    start_server: Callable[..., ServiceServer],
) -> None:
    server = start_server(
        DATABASE_URL=seeded_postgres_url, REDIS_URL=redis_server.url, WEB_CONCURRENCY=2
    )
    # Enough streams that both workers have some.
    streams = [server.listen_waiter("anna") for _ in range(12)]
    revocations = Revocations(server.service.database)

    with psycopg.connect(seeded_postgres_url) as slow:
        slow.execute(
            "INSERT INTO revocations (kind, subject, revoked_at, is_closing)"
            " VALUES ('waiter', 'anna', now(), false)"
        )
        revocations.revoke_waiter("ben")
        wait_until(lambda: all(each.seen_at for each in revocations.find()))

    for each in streams:
        assert_closed(each, "token_revoked", reconnect=False)


def test_closing_a_session_sends_its_last_change_and_then_ends_the_guests_streams(
    server: ServiceServer,
) -> None:
    token = server.token("customer", "table-7", iat=1)
    guest = server.listen_session("table-7", token=token)
    anna = server.listen_waiter("anna")

    server.service.update_order_status("ord-1", "InProgress")
    server.service.close_session("table-7", force=True, reason="gone")

    assert guest.next("order_update").data["status"] == "InProgress"
    assert_closed(guest, "session_closed", reconnect=False)
    refreshed = anna.next("cache_refresh").data
    assert "sessions" in refreshed["affectedData"]
    assert not anna.has_ended


def test_closed_session_can_be_read_but_not_followed(server: ServiceServer) -> None:
    token = server.token("customer", "table-7")
    guest = server.listen_session("table-7", token=token)
    server.service.close_session("table-7", force=True, reason="gone")
    guest.next("closing")

    # A token issued after the closing and a manager are refused as well.
    for role, subject in (("customer", "table-7"), ("manager", "mia")):
        refused = server.get("/sse/session/table-7", token=server.token(role, subject))
        assert (refused.status_code, refused.json()["code"]) == (403, "session_closed")
    assert server.post("/sse/token", token=token).status_code == 403
    assert server.get("/api/sessions/table-7", token=token).json()["closedAt"] is not None
    assert server.post("/sse/token", token=server.token("manager", "mia")).status_code == 200


def test_reopened_session_can_be_followed_again_even_after_a_restart(
    server: ServiceServer,
) -> None:
    token = server.token("customer", "table-5")

    def status() -> int:
        return server.request("HEAD", "/sse/session/table-5", token=token).status_code

    server.service.close_session("table-5")
    wait_until(lambda: status() == 403)
    server.service.reopen_session("table-5", reason="wrong table")
    wait_until(lambda: status() == 200)

    server.restart()
    guest = server.listen_session("table-5")
    request = server.service.create_request("table-5", "water")
    assert guest.next("request_update").data["requestId"] == request.id
    # The session can be closed again.
    server.service.close_session("table-5")
    assert_closed(guest, "session_closed", reconnect=False)
