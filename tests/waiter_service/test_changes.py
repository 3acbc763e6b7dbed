import json
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waiter_service import (
    Actor,
    Change,
    OfferOutcome,
    OrderStatus,
    RequestStatus,
    SessionOpened,
    SessionTransfer,
    TransferCause,
    changes,
    signals,
)
from waiter_service.changes import from_payload, to_payload

TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)
#: The values of a change's fields, by annotation.
VALUES = {
    "str": TEXT,
    "str | None": st.none() | TEXT,
    "int": st.integers(1, 9900),
    "bool": st.booleans(),
    "tuple[str, ...]": st.lists(TEXT).map(tuple),
    "OfferOutcome": st.sampled_from(OfferOutcome),
    "Actor": st.builds(Actor.waiter, TEXT.map(str.strip).filter(bool)),
    "datetime": st.datetimes(timezones=st.just(UTC)),
    "TransferCause": st.sampled_from(TransferCause),
    **{
        f"{status.__name__}{may_be_none}": st.sampled_from([*status, *without])
        for status in (RequestStatus, OrderStatus)
        for may_be_none, without in (("", ()), (" | None", (None,)))
    },
}

KINDS = [
    kind
    for kind in vars(changes).values()
    if isinstance(kind, type) and issubclass(kind, Change) and "KIND" in vars(kind)
]


@st.composite
def any_change(draw):
    kind = draw(st.sampled_from(KINDS))
    return kind(**{field.name: draw(VALUES[str(field.type)]) for field in fields(kind)})


@given(any_change())
def test_a_change_is_read_from_the_outbox_unchanged(change):
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


def test_a_field_from_a_newer_process_is_ignored():
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


def test_a_cause_from_a_newer_process_becomes_other():
    payload = {**to_payload(transferred(TransferCause.BREAK)), "cause": "fire_drill"}
    assert from_payload("session_transfer", payload) == transferred(TransferCause.OTHER)


def test_a_change_is_frozen_and_has_no_other_attributes():
    with pytest.raises(FrozenInstanceError):
        opened().version = 2  # type: ignore[misc]
    assert not hasattr(opened(), "__dict__")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.KIND)
def test_every_kind_of_change_is_read_back_and_has_a_documented_signal(kind):
    assert kind.KIND in changes.TYPES, f"add {kind.__name__} to TYPES in waiter_service/changes.py"
    assert kind.KIND in signals.BY_KIND, (
        f"add a signal for {kind.__name__} to waiter_service/signals.py, and to BY_KIND there"
    )
    documented = signals.BY_KIND[kind.KIND].__doc__ or ""
    assert "WaiterService" in documented
    assert kind.__name__ in documented


def test_no_two_kinds_of_changes_share_a_signal():
    assert len({id(signal) for signal in signals.BY_KIND.values()}) == len(KINDS)
