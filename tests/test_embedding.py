"""The application inside another program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app import create_app
from notifications import NotServing
from tests.support.programs import REPOSITORY

UPDATE = {
    "session_id": "table-7",
    "waiter_id": "anna",
    "order_id": "ord-1",
    "table_number": 7,
    "status": "Complete",
}


def test_creating_the_application_does_not_change_logging(tmp_path: Path) -> None:
    # The format of Django's documentation, with every field of a record.
    code = """
import logging, sys
logging.basicConfig(
    stream=sys.stdout, level="INFO",
    format="%(levelname)s %(module)s %(process)d %(thread)d %(threadName)s %(message)s",
)
before = (logging.root.level, logging.root.handlers[:], logging.logThreads, logging._srcfile)
from app import create_app
create_app()
assert before == (
    logging.root.level, logging.root.handlers, logging.logThreads, logging._srcfile
)
logging.getLogger("theirs").info("hello")
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={"INSTANCE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.startswith("INFO <string> ")
    assert done.stdout.endswith(" MainThread hello\n")


def test_event_that_could_reach_no_stream_is_refused(tmp_path: Path) -> None:
    app = create_app({"INSTANCE_DIR": str(tmp_path)})
    notifications, refresh = app.extensions["notifications"], app.extensions["cache_refresh"]

    with pytest.raises(NotServing, match="set REDIS_URL"):
        notifications.notify_order_update(**UPDATE)
    with pytest.raises(NotServing):
        notifications.notify_cache_refresh(session_id="table-7", affected_data=["all"])
    with pytest.raises(NotServing):
        refresh.trigger_orders_refresh(session_id="table-7")

    assert not notifications.published
    assert refresh.refresh_stats().pending == 0
