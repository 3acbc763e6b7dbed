"""The mailbox of one stream, and the reasons to end a stream."""

from __future__ import annotations

import pytest

from notifications.events.encoding import EventId
from notifications.streams.stream import CloseReason
from tests.support.streams import make_event, make_stream


def offsets(events: list) -> list[int]:  # type: ignore[type-arg]
    return [event.offset for event in events]


def test_mailbox_returns_each_event_once_and_in_order() -> None:
    stream = make_stream()
    assert all(stream.offer(make_event(offset), 256) for offset in (1, 2, 3))
    assert stream.depth == 3
    assert offsets(stream.take()) == [1, 2, 3]
    assert stream.take() == []
    assert stream.depth == 0
    assert stream.events_sent == 3


def test_full_mailbox_refuses_an_event_and_keeps_the_others() -> None:
    stream = make_stream()
    taken = [stream.offer(make_event(offset), 256) for offset in range(1, 259)]
    assert taken == [True] * 256 + [False] * 2
    assert offsets(stream.take()) == list(range(1, 257))


def test_empty_mailbox_holds_no_memory() -> None:
    stream = make_stream()
    stream.offer(make_event(1), 256)
    stream.take()
    assert stream.pending is None


def test_going_live_keeps_only_events_after_the_place() -> None:
    stream = make_stream(is_live=False)
    for offset in range(1, 6):
        stream.offer(make_event(offset), 256)
    stream.go_live(EventId("e1", 3))
    assert not stream.is_replaying
    assert offsets(stream.take()) == [4, 5]


def test_going_live_keeps_events_of_a_newer_epoch() -> None:
    stream = make_stream(is_live=False)
    stream.offer(make_event(3, "e1"), 256)
    stream.offer(make_event(1, "e2"), 256)
    stream.go_live(EventId("e1", 3))
    assert [str(event.event_id) for event in stream.take()] == ["e2-1"]


def test_going_live_with_nothing_new_leaves_an_empty_mailbox() -> None:
    stream = make_stream(is_live=False)
    stream.offer(make_event(3), 256)
    stream.go_live(EventId("e1", 3))
    assert stream.pending is None


def test_buffering_again_drops_the_mailbox_and_its_overflow() -> None:
    stream = make_stream(is_live=False)
    stream.offer(make_event(1), 256)
    stream.has_overflowed = True
    stream.begin_buffering()
    assert stream.depth == 0
    assert not stream.has_overflowed


@pytest.mark.parametrize("reason", CloseReason)
def test_every_reason_to_close_has_a_code_and_a_sentence(reason: CloseReason) -> None:
    assert reason.code.isascii()
    assert reason.code == reason.code.lower()
    assert " " not in reason.code
    assert " " in reason.sentence


def test_close_codes_are_those_that_clients_rely_on() -> None:
    assert {reason.code: reason.reconnect for reason in CloseReason} == {
        "client_gone": None,
        "mailbox_full": None,
        "write_stalled": None,
        "token_expired": True,
        "token_revoked": False,
        "session_closed": False,
        "draining": True,
        "failed": True,
    }
