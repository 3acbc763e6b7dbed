"""The number of statements: a change must stay cheap, and nothing loads lazily."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event


@contextmanager
def counted(service):
    statements = []

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    engine = service.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize(("relays", "most"), [(False, 5), (True, 6)])
def test_a_status_change_takes_six_statements_with_its_announcement(
    service, make_service, listener, relays, most
):
    process = make_service(relay=relays)
    process.update_request_status("req-1", "Acknowledged")
    process.flush()
    with counted(process) as statements:
        process.update_request_status("req-1", "InProgress")
    assert len(statements) <= most, "\n".join(statements)


def test_changes_announced_together_are_removed_together(service, make_service, listener):
    for table in range(20, 40):
        service.open_session(table, "anna", session_id=f"t-{table}")
    process = make_service(relay=True)
    with counted(process) as statements:
        assert process.flush() == 20
    assert sum(statement.startswith("DELETE") for statement in statements) == 1


def test_a_no_op_only_reads(service):
    with counted(service) as statements:
        service.update_request_status("req-1", "New")
    assert len(statements) == 2


def test_a_floor_takes_the_same_statements_for_many_tables_as_for_few(service, queries):
    with counted(service) as few:
        queries.waiter_floor("anna")
    for table in range(20, 40):
        service.open_session(table, "anna", session_id=f"t-{table}")
        service.create_request(f"t-{table}", "water")
    with counted(service) as many:
        assert len(queries.waiter_floor("anna").sessions) == 22
    assert len(few) == len(many) == 4
