"""A shift change reaches the guest and both waiters; the new waiter gets the table's events."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.command_line import flask
from tests.support.tables import Table
from waiter_service.errors import TransferRefused


def transfer(table: Table) -> None:
    result = table.service.transfer_sessions(
        from_waiter_id=table.waiter_id,
        to_waiter_id=table.colleague_id,
        session_ids=[table.session_id],
    )
    assert result.changed


def test_transfer_on_the_command_line_reaches_guest_and_both_waiters_once_each(
    table: Table,
) -> None:
    clients = [table.listen_guest(), table.listen_waiter(), table.listen_colleague()]
    ran = flask(
        table.house,
        *("waiter", "transfer", "--from", table.waiter_id, "--to", table.colleague_id),
        *("--reason", "shift change"),
    )
    assert ran.returncode == 0, ran.stderr

    for client in clients:
        event = client.next("session_transfer")
        assert event.text == (
            f'{{"sessionId":"{table.session_id}","waiterId":"{table.colleague_id}",'
            f'"previousWaiterId":"{table.waiter_id}","tableNumber":{table.number},'
            f'"message":"Your waiter has been updated (shift change) - Table {table.number}",'
            f'"code":"transfer.shift_change","params":{{"tableNumber":{table.number}}},'
            f'"requiresRefresh":true,"timestamp":"{event.data["timestamp"]}","version":2}}'
        )
        assert "sessions" in client.next("cache_refresh").data["affectedData"]
    for client in clients:
        client.expect_nothing(1.2)
        assert len(client.of_type("session_transfer")) == 1
        assert len(client.of_type("cache_refresh")) == 1


def test_new_waiter_gets_the_events_of_the_table_instead_of_the_previous_one(
    table: Table,
) -> None:
    guest, previous, new = table.listen_guest(), table.listen_waiter(), table.listen_colleague()
    transfer(table)
    for client in (guest, previous, new):
        client.next("session_transfer")
        client.next("cache_refresh")
    table.move_order("InProgress")
    assert guest.next("order_update").data["waiterId"] == table.colleague_id
    assert new.next("order_update").data["orderId"] == table.order_id
    new.next("cache_refresh")
    previous.expect_nothing(0.2)


def test_replay_of_the_previous_waiter_has_no_event_from_after_the_transfer(table: Table) -> None:
    previous, new = table.listen_waiter(), table.listen_colleague()
    place = previous.last_event_id
    previous.close()
    table.move_order("InProgress")
    transfer(table)
    table.move_order("Complete")
    new.next("order_update")

    again = table.listen_waiter(last_event_id=place)
    again.next("session_transfer")
    again.expect_nothing(1.2, "cache_refresh")
    assert [event.data["status"] for event in again.of_type("order_update")] == ["InProgress"]
    assert again.events[0].data["resumed"] is True


def test_replay_of_the_new_waiter_has_no_event_from_before_the_transfer(table: Table) -> None:
    new = table.listen_colleague()
    place = new.last_event_id
    new.close()
    guest = table.listen_guest()
    table.move_order("InProgress")
    transfer(table)
    guest.next("session_transfer")

    again = table.listen_colleague(last_event_id=place)
    again.next("session_transfer")
    again.next("cache_refresh")
    assert again.of_type("order_update") == []


def test_transfer_that_names_a_closed_session_moves_nothing_and_gives_the_reason(
    take_table: Callable[[], Table],
) -> None:
    closed, table = take_table(), take_table()
    closed.move_order("Cancelled")
    closed.service.close_session(closed.session_id)
    guest, colleague = table.listen_guest(), table.listen_colleague()

    ran = flask(
        table.house,
        *("waiter", "transfer", "--to", table.colleague_id),
        *("--session", table.session_id, "--session", closed.session_id),
    )
    assert ran.returncode == 1
    assert closed.session_id in ran.stderr
    assert "closed" in ran.stderr
    assert "Traceback" not in ran.stderr
    with pytest.raises(TransferRefused):
        table.service.transfer_sessions(
            to_waiter_id=table.colleague_id, session_ids=[closed.session_id, table.session_id]
        )
    for client in (guest, colleague):
        client.expect_nothing(0.5)
    # Nothing was moved: the order still belongs to the first waiter.
    waiter = table.listen_waiter()
    table.move_order("InProgress")
    waiter.next("order_update")
