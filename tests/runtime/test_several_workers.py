"""Without Redis, several workers or processes never serve streams that would miss events."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.support.service_server import ServiceServer
from tests.support.waiting import stays_true, wait_until


@pytest.mark.parametrize(
    ("options", "env"),
    [
        ([], {"WEB_CONCURRENCY": "2"}),
        (["--workers", "2"], {}),
        (["-w", "2"], {}),
        ([], {"GUNICORN_CMD_ARGS": "--workers=2"}),
    ],
)
def test_several_workers_without_redis_stop_the_start_with_a_sentence(
    start_server: Callable[..., ServiceServer], options: list[str], env: dict[str, str]
) -> None:
    server = start_server(start=False, **env)
    server.command += options
    server.expected_errors += ["set REDIS_URL"]
    server.start(wait=False)
    assert server.wait_exit() == 1
    assert "is 2, but several workers hear of each other's events only through Redis" in server.log
    assert "Booting worker" not in server.log
    assert "Traceback" not in server.log
    server.kill()  # it has ended, with an exit code other than 0


def test_adding_a_worker_later_is_refused(server: ServiceServer) -> None:
    server.expected_errors += ["no worker was added"]
    [worker] = server.worker_pids
    os.kill(server.pid, signal.SIGTTIN)
    wait_until(lambda: "no worker was added" in server.log)
    guests = [server.listen_session("table-7") for _ in range(4)]
    server.service.update_request_status("req-1", "Acknowledged")
    for guest in guests:
        assert guest.next("request_update").data["status"] == "Acknowledged"
    assert server.worker_pids == [worker]


def test_a_second_process_on_the_same_folder_accepts_nothing_until_the_first_one_stops(
    start_server: Callable[..., ServiceServer],
) -> None:
    first = start_server()
    second = start_server(
        start=False, INSTANCE_DIR=first.directory, DATABASE_URL=first.database_url
    )
    second.start(wait=False)
    wait_until(lambda: "this worker stands by" in second.log, 20)
    # The kernel accepts the connection, and no process answers.
    with pytest.raises(OSError, match="timed out"):
        second.get("/sse/health", timeout=0.5)
    stays_true(lambda: first.get("/sse/health").ok, 0.5)

    guest = first.listen_session("table-7")
    first.stop()
    assert guest.events[-1].data["code"] == "draining"
    second.wait_healthy()
    again = second.listen_session("table-7", last_event_id=guest.last_event_id)
    second.service.update_request_status("req-1", "Acknowledged")
    assert again.next("request_update").data["status"] == "Acknowledged"


def test_a_second_process_takes_over_from_one_that_was_killed(
    start_server: Callable[..., ServiceServer],
) -> None:
    first = start_server()
    second = start_server(
        start=False, INSTANCE_DIR=first.directory, DATABASE_URL=first.database_url
    )
    second.start(wait=False)
    wait_until(lambda: "this worker stands by" in second.log, 20)
    first.kill()
    second.wait_healthy()


def test_a_second_process_with_a_link_to_the_same_database_stands_by(
    start_server: Callable[..., ServiceServer],
) -> None:
    first = start_server()
    second = start_server(start=False)
    link = second.directory / "restaurant.db"
    link.unlink()
    link.symlink_to(first.directory / "restaurant.db")
    second.start(wait=False)
    wait_until(lambda: "this worker stands by" in second.log, 20)
    first.stop()
    second.wait_healthy()
