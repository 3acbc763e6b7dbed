"""What the event stream parser of the tests accepts and refuses."""

from __future__ import annotations

import pytest

from tests.support.sse_parser import SseEvent, SseParser

STREAM = (
    b"retry: 2500\n: a comment\n\n"
    b'event: order_update\ndata: {"message":\ndata:"caf\xc3\xa9"}\nid: a-1\n\n'
    b"event: ignored, as it has no data\n\n"
    b"data: {}\n\n"
    b"event: cut_off\ndata: {}\nid: a-2\n"
)


def parse(*chunks: bytes) -> tuple[list[SseEvent], list[int]]:
    events: list[SseEvent] = []
    retries: list[int] = []
    parser = SseParser(events.append, retries.append)
    for chunk in chunks:
        parser.feed(chunk)
    return events, retries


@pytest.mark.parametrize("cut_every", [1, 2, 7, 1000])
def test_stream_may_be_cut_at_any_byte(cut_every):
    chunks = [STREAM[i : i + cut_every] for i in range(0, len(STREAM), cut_every)]

    events, retries = parse(*chunks)

    assert retries == [2500]
    assert [(each.type, each.id) for each in events] == [("order_update", "a-1"), ("message", None)]
    assert events[0].data == {"message": "caf\u00e9"}


@pytest.mark.parametrize(
    "malformed",
    [
        b"data: [1]\n\n",
        b"data: nonsense\n\n",
        b"data: {}\r\n\r\n",
        b"date: {}\n\n",
        b"no colon\n\n",
        b"id: a\0b\n\n",
        b"retry: soon\n\n",
        b'data: {"a":"\xff"}\n\n',
    ],
)
def test_malformed_stream_is_refused(malformed):
    with pytest.raises((AssertionError, ValueError)):
        parse(malformed)
