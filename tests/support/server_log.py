"""Searches a server's log for errors and tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Text begins with its time, JSON with its brace; a traceback stands below its record.
_RECORDS = re.compile(r"^(?=\d{4}-\d\d-\d\dT|\{)", re.M)
_TROUBLE = re.compile(r" (ERROR|CRITICAL) |\"level\": \"(ERROR|CRITICAL)\"|Traceback \(")


def check_log(log: str, expected: Iterable[str] = ()) -> None:
    """Fail on an error or a traceback, unless its record has an ``expected`` text; on any token.

    Text without a record, such as a greenlet's traceback, belongs to the record before it.
    """
    trouble = [
        record
        for record in _RECORDS.split(log)
        if _TROUBLE.search(record) and not any(text in record for text in expected)
    ]
    assert not trouble, "errors in the server's log:\n" + "".join(trouble)[-5000:]
    assert "eyJ" not in log, "a token in the server's log"
