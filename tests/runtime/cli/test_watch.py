"""`watch` with servers, proxies and numbers that misbehave."""

from __future__ import annotations

import itertools
import json

import pytest

from runtime.cli.watch import MAX_RETRY_SECONDS, MIN_RETRY_SECONDS, Refused, follow
from tests.support.scripted_server import scripted_server

CLOSED_FOR_GOOD = 'event: closing\ndata: {"reason":"over","reconnect":false}\n\n'


def answer(status: str, body: str = "", **headers: str) -> bytes:
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{named}Connection: close\r\n\r\n{body}".encode()


def stream(text: str) -> bytes:
    return answer("200 OK", text, Content_Type="text/event-stream; charset=utf-8")


def problem(status: int, detail: str) -> bytes:
    return answer(
        f"{status} No", json.dumps({"detail": detail}), Content_Type="application/problem+json"
    )


LAST = stream(CLOSED_FOR_GOOD)


def watched(*answers: bytes) -> tuple[list[str], list[float], list[str], str]:
    """Watch a server of ``answers``; return lines, pauses, request heads and the refusal."""
    pauses: list[float] = []
    lines: list[str] = []
    with scripted_server(*answers) as server:
        with pytest.raises(Refused) as refusal:
            lines.extend(follow(server.url, mint=lambda: "token", pause=pauses.append))
        return lines, pauses, server.requests, str(refusal.value)


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_the_services_own_refusal_is_final(status: int) -> None:
    _, pauses, _, refusal = watched(problem(status, "Not yours."))

    assert (refusal, pauses) == (f"{status}: Not yours.", [])


@pytest.mark.parametrize(
    "passing",
    [
        answer("401 Unauthorized", "<h1>Log in</h1>", Content_Type="text/html"),
        answer("404 Not Found", "not here", Content_Type="text/plain"),
        answer("500 Internal Server Error"),
        answer("502 Bad Gateway", "<html>", Content_Type="text/html"),
        answer("200 OK", "<h1>Welcome to the hotel</h1>", Content_Type="text/html"),
        answer("302 Found", Location="https://login.example.com/"),
        problem(429, "Too many."),
        problem(503, "Restarting."),
        b"",
        b"nonsense\r\n\r\n",
    ],
)
def test_any_other_answer_is_retried(passing: bytes) -> None:
    _, pauses, requests, refusal = watched(passing, passing, LAST)

    assert (len(pauses), len(requests), refusal) == (2, 3, "over")


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("0", 3.0),
        ("-5", 3.0),
        ("nan", 3.0),
        ("inf", 3.0),
        ("1e400", 3.0),
        ("soon", 3.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 3.0),
        ("Wed, 21 Oct 2415 07:28:00 GMT", MAX_RETRY_SECONDS),
        ("99999999999999999999", MAX_RETRY_SECONDS),
    ],
)
def test_retry_after_is_limited(retry_after: str, seconds: float) -> None:
    refused = answer("503 Service Unavailable", Retry_After=retry_after)

    _, pauses, _, _ = watched(refused, LAST)

    assert pauses == [seconds]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("retry: 2500", 2.5), ("retry: 0", MIN_RETRY_SECONDS), ("retry: 9" + 30 * "9", 60.0)],
)
def test_the_streams_retry_is_limited(said: str, seconds: float) -> None:
    _, pauses, _, _ = watched(stream(f"{said}\n\n"), LAST)

    assert pauses == [seconds]


def test_the_pause_from_a_closing_event_is_kept() -> None:
    closing = 'event: closing\ndata: {"reason":"restart","reconnect":true,"reconnectInMs":400}\n\n'

    _, pauses, _, _ = watched(stream(closing), LAST)

    assert pauses == [0.4]


def test_pauses_grow_while_connecting_fails() -> None:
    _, pauses, _, _ = watched(*[answer("500 No")] * 9, LAST)

    assert pauses[0] == 3.0
    # Each pause is between half and all of a limit that doubles every time.
    assert all(
        min(MAX_RETRY_SECONDS, 1.5 * 2**n) <= pause <= MAX_RETRY_SECONDS
        for n, pause in enumerate(pauses[1:], 1)
    )
    assert pauses[-1] == MAX_RETRY_SECONDS


def test_it_resumes_after_the_last_complete_event() -> None:
    whole, cut_off = "id: a-1\ndata: {}\n\n", "id: a-2\ndata: {}\n"

    _, _, requests, _ = watched(stream(whole + cut_off), answer("500 No"), LAST)

    sent = ["Last-Event-ID: a-1" in request for request in requests]
    assert sent == [False, True, True]


@pytest.mark.parametrize(
    "data",
    ["not json", "[1]", "null", '{"timestamp":"0001-01-01T00:00:00Z"}', '{"affectedData":7}'],
)
def test_data_of_any_form_is_printed_as_one_line(data: str) -> None:
    lines, _, _, _ = watched(stream(f"event: order_update\ndata: {data}\n\n{CLOSED_FOR_GOOD}"))

    assert [line.split()[1] for line in lines] == ["order_update", "closing"]


def test_control_characters_in_a_stream_do_not_reach_the_terminal() -> None:
    lines, _, _, _ = watched(
        stream(f'event: \x1b[2J\ndata: {{"message":"\\u001b[31mred"}}\n\n{CLOSED_FOR_GOOD}')
    )

    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("beat", ["0", "-1", "1e999", '"x"', "null", "true", "[]"])
def test_any_heartbeat_value_is_accepted(beat: str) -> None:
    hello = f'event: connection\ndata: {{"sessionId":"table-7","heartbeatSeconds":{beat}}}\n\n'

    lines, pauses, _, _ = watched(stream(hello + CLOSED_FOR_GOOD))

    assert "listening to table-7" in lines[0]
    assert pauses == []


def test_a_closing_after_many_events_is_read_across_chunks() -> None:
    events = "".join(f'data: {{"message":"{n}"}}\n\n' for n in range(2000))

    lines, _, _, _ = watched(stream(events + CLOSED_FOR_GOOD))

    assert [line.split()[2] for line in itertools.islice(lines, 2000)] == list(
        map(str, range(2000))
    )
