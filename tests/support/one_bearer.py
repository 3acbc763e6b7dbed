"""One bearer that overloads the demo restaurant, and how long others wait meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import insert

from tests.support.programs import REPOSITORY
from tests.support.service_server import ServiceServer
from waiter_service import WaiterService
from waiter_service.store.models import OrderRow

#: The promised limit of the delay that one bearer may cause. Twice that is a failure.
PROMISED_SECONDS = 0.1
CONNECTIONS = 60

LARGE_ORDER = json.dumps(
    {"items": [{"name": "\U0001f355" * 50, "quantity": 99}] * 100, "note": "\U0001f355" * 500}
)

#: The most expensive calls of each role, repeated: long answers, large writes, streams.
GUESTS_WORST = [
    "GET /api/sessions/table-7?limit=500",
    f"POST /api/sessions/table-7/orders {LARGE_ORDER}",
    'POST /api/sessions/table-7/requests {"kind":"wish {n}"}',
    "POST /sse/token",
    "GET /sse/session/table-7",
]
WAITERS_WORST = [
    "GET /api/waiters/anna/floor",
    "GET /api/waiters/anna/analytics",
    'POST /api/sessions {"tableNumber": {n}}',
    f"POST /api/sessions/table-7/orders {LARGE_ORDER}",
    'PATCH /api/orders/old-000001 {"status":"New"}',
    "GET /sse/waiter/anna",
]
#: Anna has 200 tables, as many as one transfer may move.
MANAGERS_WORST = [
    'POST /api/waiters/anna/transfers {"toWaiterId":"carl"}',
    'POST /api/waiters/carl/transfers {"toWaiterId":"anna"}',
    "GET /api/waiters/anna/floor?limit=500",
    "GET /api/waiters/carl/floor?limit=500",
]


@contextmanager
def attack(server: ServiceServer, role: str, subject: str, calls: list[str]) -> Iterator[list[str]]:
    """Let one bearer make its calls meanwhile. In the end, the list names what went wrong."""
    command = [sys.executable, "-m", "tests.support.attacker", str(server.port)]
    attacker = subprocess.Popen(
        [*command, server.token(role, subject), str(CONNECTIONS), *calls],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert attacker.stdin is not None
    assert attacker.stdout is not None
    complaints: list[str] = []
    try:
        assert attacker.stdout.readline() == "attacking\n"
        yield complaints
    finally:
        attacker.kill()
        complaints += attacker.stdout.read().splitlines()
        attacker.stdin.close()
        attacker.stdout.close()
        attacker.wait()


def longest_wait(
    server: ServiceServer, seconds: float, engines: Sequence[int] = ()
) -> tuple[float, str]:
    """Return the longest wait of another table's guest and waiter, and the call that waited.

    ``engines`` are the processes that the server waits for.
    """
    command = [sys.executable, "-m", "tests.support.bystander", str(server.port), str(seconds)]
    tokens = [server.token("customer", "table-9"), server.token("waiter", "ben")]
    pids = map(str, (server.pid, *engines))
    done = subprocess.run(
        [*command, *tokens, *pids], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    longest, awaited = json.loads(done.stdout)
    return longest, awaited


def remember_many_orders(service: WaiterService, number: int) -> None:
    """Give table 7 the many orders of a long evening."""
    now = datetime.now(UTC)
    with service.database.writing() as orm:
        rows = [
            {
                "id": f"old-{each:06}",
                "session_id": "table-7",
                "items": [{"name": "Tea", "quantity": 1}],
                "item_count": 1,
                "status": "Paid",
                "version": 6,
                "created_at": now,
                "updated_at": now,
                "finished_at": now,
            }
            for each in range(number)
        ]
        orm.execute(insert(OrderRow), rows)


def open_many_tables(service: WaiterService, number: int) -> None:
    """Give anna this many more tables, and add a colleague who may take them."""
    service.add_waiter("carl", "Carl")
    for table in range(1000, 1000 + number):
        service.open_session(table, "anna")
