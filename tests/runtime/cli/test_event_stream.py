"""The command line's parser of event streams accepts what the specification allows."""

from __future__ import annotations

import pytest

from runtime.cli.event_stream import EventStreamParser
from tests.support.parsing_cases import CASES, ParsingCase

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def read(*chunks: bytes) -> list[tuple[str, str, str]]:
    parser = EventStreamParser()
    return [(event.type, event.data, event.id) for chunk in chunks for event in parser.feed(chunk)]


@every_case
def test_bytes_are_parsed_into_events(case: ParsingCase) -> None:
    assert read(*case.chunks) == list(case.events)


@every_case
@pytest.mark.parametrize("size", [1, 2, 3])
def test_stream_may_be_cut_at_any_byte(case: ParsingCase, size: int) -> None:
    whole = b"".join(case.chunks)

    assert read(*(whole[i : i + size] for i in range(0, len(whole), size))) == list(case.events)


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert read(b"data: \xff!\n\n") == [("message", "\ufffd!", "")]


@pytest.mark.parametrize(
    ("text", "retry_ms"),
    [(b"2500", 2500), (b"0", 0), (b"soon", None), (b"-1", None), (b"1.5", None),
     ("٣".encode(), None)],
)  # fmt: skip
def test_retry_accepts_only_ascii_digits(text: bytes, retry_ms: int | None) -> None:
    parser = EventStreamParser()
    list(parser.feed(b"retry: " + text + b"\n"))

    assert parser.retry_ms == retry_ms


def test_the_id_of_an_incomplete_block_is_not_used_to_resume() -> None:
    parser = EventStreamParser("a-1")
    list(parser.feed(b"id: a-2\ndata: {}\n"))

    assert parser.last_event_id == "a-1"
    list(parser.feed(b"\n"))
    assert parser.last_event_id == "a-2"
