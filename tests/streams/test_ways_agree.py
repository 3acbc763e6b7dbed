"""The door and the blueprint give one answer to each of many forms of a request."""

from __future__ import annotations

import json
import re
import socket

import pytest

from tests.support.shared_server import SharedServer
from tests.support.tables import Table
from tests.support.waiting import wait_until

#: A header that leads to the blueprint and changes nothing else, and a harmless one instead.
LONG, SHORT = "Content-Length: 0", "X-Filler: 0"

#: name -> target and header lines. Placeholders in braces: the session's id; a full and a stream
#: token of its guest and of another guest; and a place in the session's history.
FORMS: dict[str, tuple[str, list[str]]] = {
    "plain": ("/sse/session/{id}", ["Authorization: Bearer {full}"]),
    "no token": ("/sse/session/{id}", []),
    "foreign token": ("/sse/session/{id}", ["Authorization: Bearer {foreign}"]),
    "scheme in another case": ("/sse/session/{id}", ["aUTHORIZATION: bEARER {full}"]),
    "two spaces": ("/sse/session/{id}", ["Authorization: Bearer  {full}"]),
    "tab after the scheme": ("/sse/session/{id}", ["Authorization: Bearer\t{full}"]),
    "space after the token": ("/sse/session/{id}", ["Authorization:Bearer {full} \t"]),
    "word after the token": ("/sse/session/{id}", ["Authorization: Bearer {full} x"]),
    "no token in the header": ("/sse/session/{id}", ["Authorization: Bearer"]),
    "header empty": ("/sse/session/{id}?token={stream}", ["Authorization:"]),
    "Basic beside the query": ("/sse/session/{id}?token={stream}", ["Authorization: Basic eDp5"]),
    "header twice": ("/sse/session/{id}", ["Authorization: Bearer {full}"] * 2),
    "header twice, bad first": (
        "/sse/session/{id}",
        ["Authorization: Bearer x", "authorization: Bearer {full}"],
    ),
    "header folded": ("/sse/session/{id}", ["Authorization: Bearer", " {full}"]),
    "header with a space before its colon": (
        "/sse/session/{id}",
        ["Authorization : Bearer {full}"],
    ),
    "header of bytes": ("/sse/session/{id}", ["Authorization: Bearer \xff\xfe"]),
    "header with NUL": ("/sse/session/{id}", ["Authorization: Bearer {full}\0"]),
    "name with an underscore": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", "Last_Event_ID: {place}"],
    ),
    "bad header beside the query": (
        "/sse/session/{id}?token={stream}",
        ["Authorization: Bearer {foreign}"],
    ),
    "query": ("/sse/session/{id}?token={stream}", []),
    "full token in the query": ("/sse/session/{id}?token={full}", []),
    "name encoded": ("/sse/session/{id}?%74oken={stream}", []),
    "name in capitals": ("/sse/session/{id}?TOKEN={stream}", []),
    "token encoded": ("/sse/session/{id}?token=%65{stream[1:]}", []),
    "token twice": ("/sse/session/{id}?token={stream}&token={foreign_stream}", []),
    "token twice, the other first": (
        "/sse/session/{id}?token={foreign_stream}&token={stream}",
        [],
    ),
    "token twice, empty first": ("/sse/session/{id}?token=&token={stream}", []),
    "token twice, no value first": ("/sse/session/{id}?token&token={stream}", []),
    "token twice, empty last": ("/sse/session/{id}?token={stream}&token=", []),
    "token empty beside a cookie": (
        "/sse/session/{id}?token=",
        ["Cookie: sse_token={stream}"],
    ),
    "token empty and again, beside a cookie": (
        "/sse/session/{id}?token=&token={foreign_stream}",
        ["Cookie: sse_token={stream}"],
    ),
    "query beside a cookie": (
        "/sse/session/{id}?token={stream}",
        ["Cookie: sse_token={foreign_stream}"],
    ),
    "header beside a cookie": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", "Cookie: sse_token={foreign_stream}"],
    ),
    "token with a plus": ("/sse/session/{id}?token=+{stream}", []),
    "token in invalid UTF-8": ("/sse/session/{id}?token={stream}%ff", []),
    "semicolon instead of an ampersand": ("/sse/session/{id}?a=b;token={stream}", []),
    "many ampersands": ("/sse/session/{id}?&&a&&token={stream}&&", []),
    "more parameters than ours": (
        "/sse/session/{id}?" + "&".join("p=1" for _ in range(30)) + "&token={stream}",
        [],
    ),
    "question mark twice": ("/sse/session/{id}??token={stream}", []),
    "raw bytes in the query": (
        "/sse/session/{id}?a=\xff",
        ["Authorization: Bearer {full}"],
    ),
    "control character in the query": (
        "/sse/session/{id}?a=\x01",
        ["Authorization: Bearer {full}"],
    ),
    "fragment": ("/sse/session/{id}?a=b#c", ["Authorization: Bearer {full}"]),
    "place": ("/sse/session/{id}", ["Authorization: Bearer {full}", "Last-Event-ID: {place}"]),
    "place in the query": (
        "/sse/session/{id}?lastEventId={place}",
        ["Authorization: Bearer {full}"],
    ),
    "place twice": (
        "/sse/session/{id}?lastEventId={place}&lastEventId=none",
        ["Authorization: Bearer {full}"],
    ),
    "place twice, none first": (
        "/sse/session/{id}?lastEventId=none&lastEventId={place}",
        ["Authorization: Bearer {full}"],
    ),
    "place twice, empty first": (
        "/sse/session/{id}?lastEventId=&lastEventId={place}",
        ["Authorization: Bearer {full}"],
    ),
    "place in header and query": (
        "/sse/session/{id}?lastEventId=none",
        ["Authorization: Bearer {full}", "Last-Event-ID: {place}"],
    ),
    "place empty in the header": (
        "/sse/session/{id}?lastEventId={place}",
        ["Authorization: Bearer {full}", "Last-Event-ID:"],
    ),
    "place in two headers": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", "Last-Event-ID: {place}", "Last-Event-ID: none"],
    ),
    "place of bytes": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", "Last-Event-ID: \xe9\xff"],
    ),
    "place in invalid UTF-8": (
        "/sse/session/{id}?lastEventId={place}%ff",
        ["Authorization: Bearer {full}"],
    ),
    "place with a plus": (
        "/sse/session/{id}?lastEventId=+{place}",
        ["Authorization: Bearer {full}"],
    ),
    "path encoded": ("/sse/session/%74{id[1:]}", ["Authorization: Bearer {full}"]),
    "path with a slash at the end": ("/sse/session/{id}/", ["Authorization: Bearer {full}"]),
    "path with two slashes": ("/sse//session/{id}", ["Authorization: Bearer {full}"]),
    "path with dots": ("/sse/session/./{id}", ["Authorization: Bearer {full}"]),
    "id of dots": ("/sse/session/..", ["Authorization: Bearer {dots}"]),
    "id of another": ("/sse/session/x{id}", ["Authorization: Bearer {full}"]),
    "id in capitals": ("/sse/session/{id_in_capitals}", ["Authorization: Bearer {full}"]),
    "id of bytes": ("/sse/session/{id}\xff", ["Authorization: Bearer {full}"]),
    "another kind": ("/sse/waiter/{id}", ["Authorization: Bearer {full}"]),
    "no kind": ("/sse/kitchens/{id}", ["Authorization: Bearer {full}"]),
    "id empty": ("/sse/session/", ["Authorization: Bearer {full}"]),
    "whole URL": ("http://house/sse/session/{id}", ["Authorization: Bearer {full}"]),
    "62 fields": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", *(f"X-{number}: x" for number in range(60))],
    ),
    "63 more fields": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", *(f"X-{number}: x" for number in range(62))],
    ),
    "70 fields": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", *(f"X-{number}: x" for number in range(68))],
    ),
    "line that is long": (
        "/sse/session/{id}?a=" + 3000 * "x",
        ["Authorization: Bearer {full}"],
    ),
    "line that is too long": (
        "/sse/session/{id}?a=" + 4200 * "x",
        ["Authorization: Bearer {full}"],
    ),
    "schemes that contradict": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", "X-Forwarded-Proto: https", "X-Forwarded-Ssl: off"],
    ),
    "path prefix": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", "X-Forwarded-Prefix: /restaurant"],
    ),
    "path prefix that is ours": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", "X-Forwarded-Prefix: /sse"],
    ),
    "script name in a header": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", "SCRIPT_NAME: /sse"],
    ),
    "path in a header": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", "PATH_INFO: /sse/session/another"],
    ),
    "two hosts": ("/sse/session/{id}", ["Authorization: Bearer {full}", "Host: another"]),
    "expectation": ("/sse/session/{id}", ["Authorization: Bearer {full}", "Expect: 100-continue"]),
    "no event stream accepted": (
        "/sse/session/{id}",
        ["Authorization: Bearer {full}", "Accept: application/json"],
    ),
}


def outcome(house: SharedServer, method: str, version: str, target: str, lines: list[str]) -> str:
    """Return the status line of the answer, with the greeting of a stream."""
    head = "\r\n".join([f"{method} {target} HTTP/{version}", "Host: house", *lines, "", ""])
    with socket.create_connection(("127.0.0.1", house.port), timeout=10) as wire:
        wire.sendall(head.encode("latin-1"))
        received = b""
        while not _is_enough(received, method) and (data := wire.recv(65_536)):
            received = (received + data).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert not received.startswith(b"HTTP/1.1 5"), received
    status = received.split(b"\r\n", 1)[0].decode()
    greeting = re.search(rb"event: connection\ndata: (\{.*?\})\n", received)
    if greeting is None:
        return f"{status} stream" if b"text/event-stream" in received else status
    data = json.loads(greeting[1])
    return f"{status} {data['sessionId']} resumed={data['resumed']}"


def _is_enough(received: bytes, method: str) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    if b"text/event-stream" in head and method == "GET":
        return b"\n\n" in body.partition(b"event: connection\n")[2]
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return method == "HEAD" or length is None or len(body) >= int(length[1])


@pytest.fixture
def values(house: SharedServer, table: Table) -> dict[str, str]:
    own = table.session_id
    full, foreign = house.token("customer", own), house.token("customer", "another")
    guest = table.listen_guest()
    table.toggle_order(3)
    for _ in range(3):
        guest.next("order_update")
    place = guest.of_type("order_update")[0].id
    guest.close()
    assert place
    return {
        "id": own,
        "id_in_capitals": own.upper(),
        "full": full,
        "foreign": foreign,
        "dots": house.token("customer", ".."),
        "stream": house.token("customer", own, scope="stream"),
        "foreign_stream": house.token("customer", "another", scope="stream"),
        "place": place,
    }


def _filled(text: str, values: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        return values[match[1]][int(match[2] or 0) :]

    return re.sub(r"\{(\w+)(?:\[(\d+):\])?\}", value, text)


@pytest.mark.parametrize(("method", "version"), [("GET", "1.1"), ("GET", "1.0"), ("HEAD", "1.1")])
def test_door_and_blueprint_give_every_form_the_same_answer(
    house: SharedServer, values: dict[str, str], method: str, version: str
) -> None:
    differences = {}
    outcomes = set()
    for name, (target, lines) in FORMS.items():
        filled = [_filled(line, values) for line in lines]
        short, long = (
            outcome(house, method, version, _filled(target, values), [*filled, way])
            for way in (SHORT, LONG)
        )
        outcomes.add(short)
        if short != long:
            differences[name] = f"short: {short!r}, long: {long!r}"
    assert differences == {}
    assert len(outcomes) >= 4, "all forms were refused for another reason"
    wait_until(lambda: house.open_streams() == 0)
