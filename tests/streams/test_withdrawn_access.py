"""Streams end when access is withdrawn, and nobody gets back in."""

from __future__ import annotations

import pytest

from tests.support.service_server import ServiceServer
from tests.support.sse_client import SseClient, SseRefused
from waiter_service.revocations import Revocations


@pytest.fixture
def revocations(server: ServiceServer) -> Revocations:
    return Revocations(server.service.database)


def assert_closed(client: SseClient, code: str, *, reconnect: bool) -> None:
    closing = client.next("closing").data
    assert (closing["code"], closing["reconnect"]) == (code, reconnect)
    client.wait_ended()


def test_revoking_a_waiter_ends_all_their_streams_and_no_others(
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


def test_a_waiter_and_a_manager_of_one_name_are_revoked_apart(
    server: ServiceServer, revocations: Revocations
) -> None:
    waiter = server.listen_waiter("anna", token=server.token("waiter", "anna", iat=1))
    manager = server.listen_waiter("anna", token=server.token("manager", "anna", iat=1))

    revocations.revoke_waiter("anna")
    assert_closed(waiter, "token_revoked", reconnect=False)
    assert not manager.has_ended

    revocations.revoke_manager("anna")
    assert_closed(manager, "token_revoked", reconnect=False)


def test_revoking_one_token_leaves_the_bearers_other_ones_alone(
    server: ServiceServer, revocations: Revocations
) -> None:
    lost = server.listen_waiter("anna", token=server.token("waiter", "anna", jti="lost-phone"))
    kept = server.listen_waiter("anna", token=server.token("waiter", "anna", jti="tablet"))

    revocations.revoke_token("lost-phone")

    assert_closed(lost, "token_revoked", reconnect=False)
    assert not kept.has_ended


def test_a_stream_token_dies_with_the_token_it_was_made_from(
    server: ServiceServer, revocations: Revocations
) -> None:
    full = server.token("customer", "table-7", jti="phone")
    stream_token = server.post("/sse/token", token=full).json()["token"]
    client = SseClient(f"{server.url}/sse/session/table-7?token={stream_token}")
    client.next("connection")

    revocations.revoke_token("phone")

    assert_closed(client, "token_revoked", reconnect=False)
    client.close()


def test_a_revocation_outlives_a_crash(server: ServiceServer, revocations: Revocations) -> None:
    token = server.token("waiter", "anna", iat=1)
    revocations.revoke_waiter("anna")

    server.kill()
    server.start()

    assert server.get("/sse/waiter/anna", token=token).status_code == 401


def test_closing_a_session_sends_its_last_change_and_then_ends_the_guests_streams(
    server: ServiceServer,
) -> None:
    token = server.token("customer", "table-7", iat=1)
    guest = server.listen_session("table-7", token=token)
    anna = server.listen_waiter("anna")

    server.service.update_order_status("ord-1", "InProgress")
    server.service.close_session("table-7")

    assert guest.next("order_update").data["status"] == "InProgress"
    assert_closed(guest, "session_closed", reconnect=False)
    refreshed = anna.next("cache_refresh").data
    assert "sessions" in refreshed["affectedData"]
    assert not anna.has_ended


def test_a_closed_session_can_still_be_read_but_no_longer_followed(server: ServiceServer) -> None:
    token = server.token("customer", "table-7")
    guest = server.listen_session("table-7", token=token)
    server.service.close_session("table-7")
    guest.next("closing")

    # Also with a token made only now, and for a manager who looks on.
    for role, subject in (("customer", "table-7"), ("manager", "mia")):
        refused = server.get("/sse/session/table-7", token=server.token(role, subject))
        assert (refused.status_code, refused.json()["code"]) == (403, "session_closed")
    assert server.post("/sse/token", token=token).status_code == 403
    assert server.get("/api/sessions/table-7", token=token).json()["closedAt"] is not None
    assert server.post("/sse/token", token=server.token("manager", "mia")).status_code == 200
