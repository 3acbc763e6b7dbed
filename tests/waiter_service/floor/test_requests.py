import pytest
from sqlalchemy import select

from waiter_service import Actor, OrderStatus, RequestStatus
from waiter_service.errors import IdTaken, IllegalTransition, SessionClosedError, VersionConflict
from waiter_service.store.models import AuditRow

ANNA = Actor.waiter("anna")


def audit_of(service, subject_id):
    with service.database.reading() as orm:
        rows = orm.scalars(
            select(AuditRow).where(AuditRow.subject_id == subject_id).order_by(AuditRow.id)
        )
        return [
            (f"{r.actor_kind}:{r.actor_id}", r.from_value, r.to_value, r.version, r.reason)
            for r in rows
        ]


def test_a_request_starts_as_new_and_is_announced(service, listener, clock):
    result = service.create_request("table-5", "water", note="still", actor=Actor.guest("table-5"))
    assert result.created
    assert result.request.status is RequestStatus.NEW
    (change,) = listener.heard
    assert (change.request_id, change.old, change.new) == (
        result.request.id,
        None,
        RequestStatus.NEW,
    )
    assert (change.session_id, change.waiter_id, change.table_number) == ("table-5", "anna", 5)
    assert (change.version, change.occurred_at) == (1, clock.now)
    assert change.actor == Actor.guest("table-5")


def test_a_second_request_of_a_kind_returns_the_open_one(service, listener):
    again = service.create_request("table-7", "  WATER ")
    assert (again.created, again.request.id, listener.heard) == (False, "req-1", [])


def test_another_kind_or_another_table_is_another_request(service):
    assert service.create_request("table-7", "bill").created
    assert service.create_request("table-5", "water").created


@pytest.mark.parametrize("last", ["Completed", "Cancelled"])
def test_a_finished_request_can_be_made_again(service, last):
    service.update_request_status("req-1", last)
    assert service.create_request("table-7", "water").created


def test_a_completion_can_be_undone_after_the_guest_made_the_same_request_again(service):
    service.update_request_status("req-1", "Completed")
    service.create_request("table-7", "water")
    assert service.update_request_status("req-1", "InProgress").changed


def test_every_change_raises_the_version_and_records_who_when_and_why(service, clock):
    clock.advance(60)
    assert service.update_request_status("req-1", "acknowledged", actor=ANNA).version == 2
    update = service.update_request_status("req-1", "on_hold", actor=ANNA, reason="no glasses")
    assert (update.changed, update.status, update.version) == (True, RequestStatus.ON_HOLD, 3)
    assert audit_of(service, "req-1") == [
        ("system:system", None, "New", 1, None),
        ("waiter:anna", "New", "Acknowledged", 2, None),
        ("waiter:anna", "Acknowledged", "OnHold", 3, "no glasses"),
    ]


def test_setting_the_current_status_changes_nothing_and_keeps_the_first_actor(
    service, listener, clock
):
    service.update_request_status("req-1", "Acknowledged", actor=ANNA)
    first_at = clock.now
    clock.advance(5)
    update = service.update_request_status("req-1", "Acknowledged", actor=Actor.manager("mia"))
    assert (update.changed, update.version, len(listener.heard)) == (False, 2, 1)
    assert update.request.acknowledged_by == "anna"
    assert update.request.acknowledged_at == first_at
    assert len(audit_of(service, "req-1")) == 2


def test_an_illegal_move_lists_the_legal_ones(service):
    service.update_request_status("req-1", "InProgress")
    with pytest.raises(IllegalTransition) as caught:
        service.update_request_status("req-1", "Cancelled", actor=Actor.guest("table-7"))
    error = caught.value
    assert (error.current, error.requested, error.allowed, error.version) == (
        "InProgress",
        "Cancelled",
        (),
        2,
    )
    with pytest.raises(IllegalTransition) as caught:
        service.update_request_status("req-1", "Done")
    assert set(caught.value.allowed) == {"Completed", "OnHold", "Cancelled", "Acknowledged"}


def test_the_second_change_from_the_same_version_is_a_conflict(service):
    service.update_request_status("req-1", "Acknowledged", expected_version=1)
    with pytest.raises(VersionConflict) as caught:
        service.update_request_status("req-1", "Acknowledged", expected_version=1)
    error = caught.value
    assert (error.expected, error.actual, error.current) == (1, 2, "Acknowledged")
    assert "InProgress" in error.allowed


def test_a_version_that_never_existed_is_a_conflict(service):
    with pytest.raises(VersionConflict) as caught:
        service.update_request_status("req-1", "Acknowledged", expected_version=0)
    assert (caught.value.expected, caught.value.actual) == (0, 1)


def test_a_refused_change_changes_nothing(service, listener, queries):
    before = queries.session_snapshot("table-7")
    for status, version in (("Done", None), ("Acknowledged", 9)):
        with pytest.raises((IllegalTransition, VersionConflict)):
            service.update_request_status("req-1", status, expected_version=version)
    assert queries.session_snapshot("table-7") == before
    assert (listener.heard, service.pending_count()) == ([], 0)


def test_an_undo_removes_the_acknowledgement(service, clock):
    service.update_request_status("req-1", "Acknowledged", actor=ANNA)
    undone = service.update_request_status("req-1", "New", actor=ANNA).request
    assert (undone.acknowledged_at, undone.acknowledged_by, undone.version) == (None, None, 3)
    done = service.update_request_status("req-1", "Completed", actor=ANNA).request
    assert (done.acknowledged_by, done.completed_at) == ("anna", clock.now)
    recalled = service.update_request_status("req-1", "InProgress", actor=ANNA).request
    assert recalled.completed_at is None


def test_a_closed_session_takes_nothing_new_but_staff_can_finish_its_open_items(service):
    service.close_session("table-7", force=True, reason="gone")
    with pytest.raises(SessionClosedError):
        service.create_request("table-7", "bill")
    with pytest.raises(SessionClosedError):
        service.place_order("table-7", [{"name": "Tea", "quantity": 1}])
    with pytest.raises(SessionClosedError):
        service.update_request_status("req-1", "Cancelled", actor=Actor.guest("table-7"))
    assert service.update_request_status("req-1", "Cancelled", actor=ANNA).changed


def test_a_chosen_id_must_be_free(service):
    with pytest.raises(IdTaken):
        service.create_request("table-5", "bill", request_id="req-1")
    with pytest.raises(IdTaken):
        service.place_order("table-5", [{"name": "Tea", "quantity": 1}], order_id="ord-1")


def test_an_order_counts_its_items_and_moves_through_its_own_statuses(service, listener):
    order = service.place_order(
        "table-5", [{"name": "Pizza", "quantity": 2}, {"name": "Tea", "quantity": 3}]
    )
    assert (order.item_count, order.status) == (5, OrderStatus.NEW)
    for step in ("acknowledged", "in-progress", "complete", "delivered", "paid"):
        assert service.update_order_status(order.id, step).changed
    assert [change.new.value for change in listener.heard] == [
        "New", "Acknowledged", "InProgress", "Complete", "Delivered", "Paid",
    ]  # fmt: skip
    assert {change.item_count for change in listener.heard} == {5}
    assert [change.version for change in listener.heard] == [1, 2, 3, 4, 5, 6]


def test_only_a_manager_cancels_an_order_that_is_cooked(service):
    for step in ("InProgress", "Complete"):
        service.update_order_status("ord-1", step)
    with pytest.raises(IllegalTransition):
        service.update_order_status("ord-1", "Cancelled", actor=ANNA)
    assert service.update_order_status("ord-1", "Cancelled", actor=Actor.manager("mia")).changed


def test_the_result_of_a_change_has_its_id_status_and_version(service):
    made = service.create_request("table-5", "water")
    moved = service.update_request_status(made.id, "Completed")
    order = service.update_order_status("ord-1", "Acknowledged")
    closed = service.close_session("table-5")

    assert (made.id, made.status, made.version) == (made.request.id, "New", 1)
    assert (moved.id, moved.status, moved.version) == (made.id, "Completed", 2)
    assert (order.id, order.status, order.version) == ("ord-1", "Acknowledged", 2)
    assert (closed.id, closed.version) == ("table-5", 2)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("cr\u00e8me", "cre\u0300me"),
        ("cre\u0300me", "CR\u00c8ME"),
        ("Stra\u00dfe", "STRASSE"),
        ("\uff37\uff21\uff34\uff25\uff32", "water"),
        ("two\u00a0glasses", "two  glasses"),
    ],
)
def test_spellings_of_one_kind_are_one_request(service, first, second):
    made = service.create_request("table-5", first)
    again = service.create_request("table-5", second)
    assert (made.created, again.created, again.id) == (True, False, made.id)


def test_a_kind_is_shown_as_typed_in_composed_form(service):
    made = service.create_request("table-5", "  Cre\u0300me   Br\u00fbl\u00e9e ")
    assert made.request.kind == "Cr\u00e8me Br\u00fbl\u00e9e"
