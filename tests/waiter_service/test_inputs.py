"""Input is safe, or refused by the name of its field."""

from typing import cast

import pytest

from waiter_service import Actor, ActorKind
from waiter_service.errors import UnknownOrder, UnknownRequest, UnknownSession, ValidationError

PIZZA = [{"name": "Pizza", "quantity": 1}]


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "with \0 inside",
        "bell \a",
        "\x1f",
        "trailing \x0b",
        "\x85",
        "\x7f",
        "\ud800",
        "x" * 501,
    ],
)
def test_a_note_or_reason_that_no_database_stores_is_refused(service, text):
    with pytest.raises(ValidationError) as caught:
        service.create_request("table-5", "water", note=text)
    assert caught.value.field == "note"
    with pytest.raises(ValidationError) as caught:
        service.update_request_status("req-1", "Acknowledged", reason=text)
    assert caught.value.field == "reason"
    assert service.pending_count() == 0


@pytest.mark.parametrize(
    "text", ["two\nlines", "a\ttab", "line\u2028separator", "🍕 & <b>'\"", "x" * 500, "a\u2029b"]
)
def test_any_other_text_is_kept_unchanged(service, queries, text):
    service.place_order("table-5", PIZZA, note=text, order_id="noted")
    (order,) = queries.session_snapshot("table-5").orders
    assert order.note == text


def test_a_reason_reaches_the_receivers_unchanged(service, listener):
    service.update_request_status("req-1", "OnHold", reason=" out of \u2028 glasses\r\nsorry ")
    assert listener.heard[0].reason == "out of \u2028 glasses\nsorry"


def test_a_blank_reason_becomes_none(service, listener):
    service.update_request_status("req-1", "OnHold", reason=" \n ")
    assert listener.heard[0].reason is None


@pytest.mark.parametrize("table", [0, -1, 10_000, 2**70, True, "5", 5.0, None])
def test_an_invalid_table_number_is_refused(service, table):
    with pytest.raises(ValidationError) as caught:
        service.open_session(table, "anna")
    assert caught.value.field == "table_number"


@pytest.mark.parametrize("an_id", ["", "-x", ".x", "a b", "a/b", "x" * 65, "é", "a\n", 7, "\0"])
def test_a_malformed_id_is_refused_for_a_new_thing(service, an_id):
    with pytest.raises(ValidationError) as caught:
        service.create_request("table-5", "water", request_id=an_id)
    assert caught.value.field == "request_id"
    with pytest.raises(ValidationError) as caught:
        service.add_waiter(an_id, "Cleo")
    assert caught.value.field == "waiter_id"


@pytest.mark.parametrize("an_id", ["", "a b", "x" * 65, "\0", "\ud800", None, 7, "no-such"])
def test_a_malformed_id_of_an_existing_thing_is_unknown(service, queries, an_id):
    with pytest.raises(UnknownRequest):
        service.update_request_status(an_id, "Acknowledged")
    with pytest.raises(UnknownOrder):
        service.update_order_status(an_id, "Acknowledged")
    with pytest.raises(UnknownSession):
        service.close_session(an_id)
    with pytest.raises(UnknownSession):
        queries.session_snapshot(an_id)


@pytest.mark.parametrize(
    ("items", "field"),
    [
        ([], "items"),
        (PIZZA * 101, "items"),
        ("Pizza", "items"),
        (None, "items"),
        ({"name": "Pizza", "quantity": 1}, "items"),
        ([None], "items[0]"),
        ([{"name": "Pizza", "quantity": 1, "price": 1}], "items[0]"),
        ([*PIZZA, {"name": "Tea"}], "items[1].quantity"),
        ([*PIZZA, {"name": "Tea", "quantity": 0}], "items[1].quantity"),
        ([{"name": "Tea", "quantity": 100}], "items[0].quantity"),
        ([{"name": "Tea", "quantity": True}], "items[0].quantity"),
        ([{"name": "Tea", "quantity": 1.0}], "items[0].quantity"),
        ([{"quantity": 1}], "items[0].name"),
        ([{"name": "  ", "quantity": 1}], "items[0].name"),
        ([{"name": "\0", "quantity": 1}], "items[0].name"),
        ([{"name": "x" * 201, "quantity": 1}], "items[0].name"),
    ],
)
def test_an_invalid_order_is_refused_by_the_name_of_its_line(service, items, field):
    with pytest.raises(ValidationError) as caught:
        service.place_order("table-5", items)
    assert caught.value.field == field
    assert service.pending_count() == 0


@pytest.mark.parametrize("version", [-1, True, "1", 1.0, 2**31])
def test_an_invalid_expected_version_is_refused(service, version):
    with pytest.raises(ValidationError) as caught:
        service.update_request_status("req-1", "Acknowledged", expected_version=version)
    assert caught.value.field == "expected_version"


@pytest.mark.parametrize("kind", ["", "  ", "\0", "x" * 65, None, 3, "ß" * 64])
def test_an_invalid_kind_of_request_is_refused(service, kind):
    with pytest.raises(ValidationError) as caught:
        service.create_request("table-5", kind)
    assert caught.value.field == "kind"


@pytest.mark.parametrize("actor", [None, "anna", ActorKind.WAITER])
def test_an_actor_of_the_wrong_type_is_refused_with_the_right_spelling(service, actor):
    for change in (
        lambda: service.update_order_status("ord-1", "Acknowledged", actor=actor),
        lambda: service.open_session(3, "anna", actor=actor),
    ):
        with pytest.raises(ValidationError, match=r"Actor\.waiter\('anna'\)") as caught:
            change()
        assert caught.value.field == "actor"


def test_an_actor_needs_an_id_and_a_known_kind():
    with pytest.raises(ValidationError):
        Actor.guest("")
    with pytest.raises(ValueError, match="not a valid ActorKind"):
        Actor(cast("ActorKind", "chef"), "carl")
