"""The number of round trips to PostgreSQL, and what costs none."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

pytestmark = pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@contextmanager
def counted(monkeypatch):
    """Count how often a connection waits for its server."""
    waits = []
    wait = psycopg.Connection.wait

    def counting(steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            state = next(steps)
            while True:
                waits.append(state)
                state = steps.send((yield state))
        except StopIteration as end:
            return end.value

    with monkeypatch.context() as patch:
        patch.setattr(
            psycopg.Connection,
            "wait",
            lambda connection, steps, *args, **options: wait(
                connection, counting(steps), *args, **options
            ),
        )
        yield waits


def test_a_status_change_takes_eight_round_trips_with_its_announcement(
    service, make_service, listener, monkeypatch
):
    process = make_service(relay=True)
    process.update_request_status("req-1", "Acknowledged")
    process.flush()
    with counted(monkeypatch) as waits:
        process.update_request_status("req-1", "InProgress")
    # BEGIN, five statements and COMMIT; then one to remove the outbox row.
    assert len(waits) <= 8
    assert process.pending_count() == 0


def test_connections_ended_by_the_server_are_not_used_again(service, postgres_server):
    """A restart of the database must not fail a call, and no ping detects it beforehand."""
    service.update_request_status("req-1", "Acknowledged")
    postgres_server.restart()
    assert service.update_request_status("req-1", "InProgress").changed

    postgres_server.kill()
    postgres_server.start()
    assert service.update_request_status("req-1", "Completed").changed


def test_a_connection_ended_by_an_operator_is_not_used_again(service, postgres_server):
    with service.database.reading() as orm:
        pid = orm.connection().connection.dbapi_connection.info.backend_pid
    # This waits until the connection has ended.
    postgres_server.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
    assert service.update_request_status("req-1", "Acknowledged").changed
