"""The door and the blueprint give the same stream."""

from __future__ import annotations

import pytest

from tests.streams.origins import LISTED
from tests.support.shared_server import SharedServer
from tests.support.sse_client import SseClient, SseRefused
from tests.support.tables import Table

#: Headers that lead a client through the door ("short") or the blueprint ("long"), where there is
#: a door. Only the door sends ``Connection: close``.
WAYS = {"short": {}, "long": {"Origin": LISTED}}

every_way = pytest.mark.parametrize("way", WAYS)


@every_way
def test_plain_client_uses_the_door_where_there_is_one(
    table: Table, way: str, fast_connect: str
) -> None:
    client = table.listen_guest(headers=WAYS[way])
    takes_shortcut = way == "short" and fast_connect == "1"
    assert (client.headers.get("connection") == "close") == takes_shortcut
    assert ("access-control-allow-origin" in client.headers) == (not takes_shortcut)


@every_way
def test_stream_resumes_and_continues_by_door_and_blueprint(table: Table, way: str) -> None:
    first = table.listen_guest()
    table.toggle_order(3)
    for _ in range(3):
        first.next("order_update")
    place = first.of_type("order_update")[0].id

    client = table.listen_guest(headers=WAYS[way], last_event_id=place)
    table.toggle_order(1)

    assert client.of_type("connection")[0].data["resumed"] is True
    versions = [client.next("order_update").data["version"] for _ in range(3)]
    assert versions == [3, 4, 5]


@every_way
def test_stream_is_refused_by_door_and_blueprint(
    house: SharedServer, table: Table, way: str
) -> None:
    url = f"{house.url}/sse/session/{table.session_id}"
    with pytest.raises(SseRefused) as foreign:
        SseClient(url, token=house.token("customer", "another"), headers=WAYS[way])
    assert (foreign.value.status, foreign.value.problem["status"]) == (403, 403)
    with pytest.raises(SseRefused) as nobody:
        SseClient(url, headers=WAYS[way])
    assert (nobody.value.status, nobody.value.problem["status"]) == (401, 401)


@every_way
def test_password_for_a_proxy_is_ignored_by_door_and_blueprint(
    house: SharedServer, table: Table, way: str
) -> None:
    basic = {**WAYS[way], "Authorization": "Basic c3RhZ2luZzpvcGVu"}
    url = f"{house.url}/sse/session/{table.session_id}"
    made = house.post("/sse/token", token=house.token("customer", table.session_id))
    cookie = {"Cookie": made.headers["Set-Cookie"].split(";")[0]}
    for address, headers in (
        (f"{url}?token={made.json()['token']}", basic),
        (url, {**basic, **cookie}),
    ):
        client = SseClient(address, headers=headers)
        assert client.next("connection").data["sessionId"] == table.session_id
        client.close()
    with pytest.raises(SseRefused) as nobody:
        SseClient(url, headers=basic)
    assert nobody.value.status == 401
