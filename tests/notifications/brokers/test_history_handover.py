"""How the memory broker passes its history from one process to the next."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from notifications.brokers.memory.broker import MemoryBroker
from notifications.brokers.memory.history_file import VERSION
from notifications.errors import BrokerUnavailable, NotServing
from notifications.events.encoding import EventId

CHANNEL = "main:session:table-7"
BODY = b'event: order_update\ndata: {"note":"id: not the id"}\n'


def saved(path: Path, *, events: int) -> MemoryBroker:
    broker = restored(path)
    for number in range(events):
        broker.publish([CHANNEL], BODY, key=f"change-{number}")
    broker.save()
    return broker


def restored(path: Path) -> MemoryBroker:
    broker = MemoryBroker(history_path=path)
    broker.restore()
    return broker


def test_next_process_continues_the_epoch_with_the_same_events(tmp_path: Path) -> None:
    old = saved(tmp_path / "history.json", events=3)
    new = restored(tmp_path / "history.json")

    start = old.tip(CHANNEL).__class__(old.tip(CHANNEL).epoch, 0)
    assert new.tip(CHANNEL) == old.tip(CHANNEL)
    assert [event.block for event in new.read(CHANNEL, start, 10).events] == [
        event.block for event in old.read(CHANNEL, start, 10).events
    ]


def test_change_published_by_both_processes_is_one_event(tmp_path: Path) -> None:
    saved(tmp_path / "history.json", events=1)
    new = restored(tmp_path / "history.json")

    new.publish([CHANNEL], BODY, key="change-0")
    new.publish([CHANNEL], BODY, key="change-1")

    assert new.tip(CHANNEL).offset == 2


def test_process_refuses_events_until_it_has_taken_over_the_history(
    tmp_path: Path,
) -> None:
    old = saved(tmp_path / "history.json", events=1)
    new = MemoryBroker(history_path=tmp_path / "history.json")
    for channel in (CHANNEL, "main:waiter:anna"):
        with pytest.raises(NotServing):
            new.publish([channel], BODY, key=f"early-{channel}")
    provisional = new.tip("main:waiter:anna")

    new.restore()
    for channel in (CHANNEL, "main:waiter:anna"):
        new.publish([channel], BODY, key=f"early-{channel}")

    assert len(new.read(CHANNEL, old.tip(CHANNEL), 10).events) == 1
    assert new.tip("main:waiter:anna").offset == 1
    assert new.read("main:waiter:anna", provisional, 10).is_gap


def test_process_refuses_events_after_it_saved_its_history(tmp_path: Path) -> None:
    old = saved(tmp_path / "history.json", events=1)

    with pytest.raises(BrokerUnavailable):
        old.publish([CHANNEL], BODY, key="late")

    assert old.tip(CHANNEL).offset == 1


def test_saved_history_is_used_once_so_that_no_id_is_used_twice(tmp_path: Path) -> None:
    saved(tmp_path / "history.json", events=2)
    first = restored(tmp_path / "history.json")
    second = restored(tmp_path / "history.json")

    assert second.tip(CHANNEL).epoch != first.tip(CHANNEL).epoch
    assert second.tip(CHANNEL).offset == 0


def test_channel_subscribed_before_the_takeover_stays_subscribed(tmp_path: Path) -> None:
    saved(tmp_path / "history.json", events=1)
    heard = []

    class Sink:
        def deliver(self, channel: str, event: object) -> None:
            heard.append(event)

        def resync(self, channel: str, tip: object) -> None: ...

    new = MemoryBroker(history_path=tmp_path / "history.json")
    new.start(Sink())
    new.subscribe(CHANNEL)
    new.restore()
    new.publish([CHANNEL], BODY, key="next")

    assert [event.offset for event in heard] == [2]  # type: ignore[attr-defined]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 0}', f'{{"version": {VERSION}}}'])
def test_unreadable_file_starts_a_new_history(tmp_path: Path, content: str) -> None:
    path = tmp_path / "history.json"
    path.write_text(content)

    assert restored(path).tip(CHANNEL).offset == 0
    assert not path.exists()


def test_history_whose_channels_have_no_venue_is_dropped_so_that_clients_resync(
    tmp_path: Path,
) -> None:
    """An earlier release saved it, and no stream follows channels of those names."""
    path = tmp_path / "history.json"
    old = {"epoch": "0a1b2c3d", "offset": 1, "history": [[1e9, "data: x\nid: 0a1b2c3d-1\n\n"]]}
    keys = {"session:table-7 change-0": 4e9}
    document = {"version": 3, "channels": {"session:table-7": old}, "keys": keys}
    path.write_text(json.dumps({**document, "remembered": None}))

    new = restored(path)
    new.publish([CHANNEL], BODY, key="change-0")

    assert new.read(CHANNEL, EventId("0a1b2c3d", 1), 10).is_gap
    assert new.tip(CHANNEL).offset == 1
    assert new.known_tip("session:table-7") is None


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    saved(path, events=1)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["version"] == VERSION
