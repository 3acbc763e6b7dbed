import json
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waiter_service import (
    Actor,
    OrderStatus,
    OrderStatusChange,
    RequestStatus,
    RequestStatusChange,
    SessionClosed,
    SessionOpened,
    SessionReopened,
    SessionTransfer,
    TransferCause,
    signals,
)
from waiter_service.changes import from_payload, to_payload

TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)
COMMON = {
    "id": TEXT,
    "session_id": TEXT,
    "waiter_id": TEXT,
    "table_number": st.integers(1, 9999),
    "version": st.integers(1, 2**31 - 1),
    "actor": st.builds(Actor.waiter, TEXT.map(str.strip).filter(bool)),
    "reason": st.none() | TEXT,
    "occurred_at": st.datetimes(timezones=st.just(UTC)),
}
CHANGES = st.one_of(
    st.builds(
        RequestStatusChange,
        request_id=TEXT,
        old=st.none() | st.sampled_from(RequestStatus),
        new=st.sampled_from(RequestStatus),
        **COMMON,
    ),
    st.builds(
        OrderStatusChange,
        order_id=TEXT,
        item_count=st.integers(1, 9900),
        old=st.none() | st.sampled_from(OrderStatus),
        new=st.sampled_from(OrderStatus),
        **COMMON,
    ),
    st.builds(
        SessionTransfer,
        previous_waiter_id=TEXT,
        cause=st.sampled_from(TransferCause),
        **COMMON,
    ),
    st.builds(SessionOpened, **COMMON),
    st.builds(SessionClosed, **COMMON),
    st.builds(SessionReopened, **COMMON),
)


@given(CHANGES)
def test_a_change_comes_back_from_the_outbox_as_it_was(change):
    payload = json.loads(json.dumps(to_payload(change)))
    back = from_payload(change.KIND, payload)
    assert back == change
    for field in fields(change):
        assert type(getattr(back, field.name)) is type(getattr(change, field.name))


def opened() -> SessionOpened:
    return SessionOpened(
        id="a",
        session_id="s",
        waiter_id="w",
        table_number=1,
        version=1,
        actor=Actor.waiter("w"),
        occurred_at=datetime(2024, 1, 1, tzinfo=UTC),
    )


def test_a_field_from_a_newer_process_is_passed_over():
    payload = {**to_payload(opened()), "party_size": 4}
    assert from_payload("session_opened", payload) == opened()


def transferred(cause: TransferCause) -> SessionTransfer:
    return SessionTransfer(
        id="a",
        session_id="s",
        waiter_id="ben",
        previous_waiter_id="anna",
        table_number=1,
        version=2,
        actor=Actor.waiter("anna"),
        cause=cause,
        occurred_at=datetime(2024, 1, 1, tzinfo=UTC),
    )


def test_a_transfer_from_an_older_process_is_a_shift_change():
    payload = to_payload(transferred(TransferCause.BREAK))
    del payload["cause"]
    assert from_payload("session_transfer", payload) == transferred(TransferCause.SHIFT_CHANGE)


def test_a_cause_from_a_newer_process_says_nothing():
    payload = {**to_payload(transferred(TransferCause.BREAK)), "cause": "fire_drill"}
    assert from_payload("session_transfer", payload) == transferred(TransferCause.OTHER)


def test_a_change_is_frozen_and_holds_nothing_else():
    with pytest.raises(FrozenInstanceError):
        opened().version = 2
    assert not hasattr(opened(), "__dict__")


def test_every_kind_of_change_has_its_documented_signal():
    assert len(signals.BY_KIND) == 6
    for signal in signals.BY_KIND.values():
        assert "WaiterService" in signal.__doc__
