"""Every list is found along an index, on both engines, whatever is asked for."""

import re

import pytest
from sqlalchemy import event

from benchmarks import year
from benchmarks.lists import cases
from waiter_service import FloorQueries

TABLES = "sessions|requests|orders|audit"
#: How each engine says that it reads a whole table.
WHOLE_TABLE = {
    "sqlite": re.compile(rf"SCAN ({TABLES})(?! USING (COVERING )?INDEX)"),
    "postgresql": re.compile(rf"Seq Scan on ({TABLES})"),
}
#: The indexes that may be read from one end, because the list ends as soon as its page is full.
IN_ORDER = re.compile(
    r"SCAN (venues|waiters) |SCAN \w+ USING INDEX ix_(sessions_opened_at|\w+_unfinished)$"
)


@pytest.fixture
def queries(database, clock):
    year.fill(database, 3_000, now=clock.now)
    return FloorQueries(database, clock=clock)


@pytest.fixture
def statements(database):
    """What is sent to the database: each SELECT with its parameters."""
    sent = []

    def note(_connection, _cursor, statement, parameters, *_):
        if statement.startswith("SELECT"):
            sent.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)


def plan_of(database, statement, parameters):
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            # The tables here are small enough to be read whole at no more cost. Without this
            # choice only a list that no index leads to still reads one.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        steps = connection.exec_driver_sql(explain + statement, parameters).all()
    return [step[-1] for step in steps]


@pytest.mark.long
def test_no_list_reads_a_whole_table(database, queries, statements):
    engine = "sqlite" if database.is_sqlite else "postgresql"
    wrong, explained = {}, set()
    for name, call in cases(queries):
        statements.clear()
        call()
        for statement, parameters in list(statements):
            # The plan depends on the statement, and on PostgreSQL on what it is about.
            key = (statement, None if database.is_sqlite else str(parameters))
            if key in explained:
                continue
            explained.add(key)
            plan = plan_of(database, statement, parameters)
            scans = [step for step in plan if step.startswith("SCAN") and " USING " in step]
            if any(WHOLE_TABLE[engine].search(step) for step in plan) or any(
                not IN_ORDER.match(step) for step in scans
            ):
                wrong[name] = plan
    assert explained
    assert not wrong, "\n".join(f"{name}: {plan}" for name, plan in wrong.items())
