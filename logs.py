"""What the service writes down: readable lines, or JSON for a log store.

Convention: a message is a constant sentence, and what varies goes beside it as
fields, so that a machine can search for both::

    logger.info("stream closed", extra={"fields": {"stream": stream_id, "seconds": 12.4}})

Text: ``2024-01-15T10:30:00.000Z INFO notifications.sse_service: stream closed
stream=k3f9 seconds=12.4``. JSON: one object a line, with ``timestamp``,
``level``, ``logger``, ``message``, the fields, and ``exception`` where there is
one. A field cannot replace one of those five.

No token reaches a line, whoever logged it and however deep in a traceback it
stood: whole lines are redacted just before they are written.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

# Three base64url parts, the first of which decodes to '{"': every JWT. The last
# part may be empty ("alg": "none"). Not only at the start of a word: behind an
# encoded "=" (token%3DeyJ...) it stands in the middle of one. A first part alone
# is matched too, and kept: tried again from each "eyJ" within it, 60 KB of them
# would take 5 s.
_JWT = re.compile(r"eyJ[\w-]++(\.[\w-]++\.[\w-]*+)?")
# In a query string, a cookie, a header, a repr; the value ends where such things end.
_NAMED = re.compile(r"(?i)(\b\w*token=|\bbearer\s+)[^\s&;,'\"\\]+")


def redact(text: str) -> str:
    """Return ``text`` with every token in it replaced by a word that says so."""
    # The patterns try every word; a plain search says in a twentieth of the
    # time that nearly every line has nothing for them.
    lowered = text.lower()
    if "eyj" not in lowered and "token=" not in lowered and "bearer" not in lowered:
        return text
    text = _JWT.sub(lambda found: "[redacted]" if found[1] else found[0], text)
    return _NAMED.sub(r"\1[redacted]", text)


def _timestamp(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    # In a storm thousands of lines share one.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, Mapping) else {}


class TextFormatter(logging.Formatter):
    """One line a record, and a traceback below it where there is one.

    Line breaks in a message or field are spelled out, so that nobody's note to
    the kitchen can forge a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        parts = [record.getMessage()]
        parts += [f"{key}={_as_text(value)}" for key, value in _fields(record).items()]
        text = " ".join(parts).replace("\r", "\\r").replace("\n", "\\n")
        line = f"{_timestamp(record)} {record.levelname} {record.name}: {text}"
        for more in (_exception(self, record), record.stack_info):
            if more:
                line = f"{line}\n{more}"
        return redact(line)


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what JSON has no form for is written as text."""

    def format(self, record: logging.LogRecord) -> str:
        line = dict(_fields(record))
        line |= {
            "timestamp": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if exception := _exception(self, record):
            line["exception"] = exception
        return redact(json.dumps(line, default=str))


def _as_text(value: object) -> str:
    text = str(value)
    return repr(text) if text == "" or " " in text else text


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str | None:
    return formatter.formatException(record.exc_info) if record.exc_info else None


class _StderrHandler(logging.StreamHandler[Any]):
    """Writes to what is stderr when the record comes, not when this was made."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    def createLock(self) -> None:  # noqa: N802 - logging's own name
        """Do without: a line is one write, and no greenlet is switched to meanwhile.

        gevent's own lock is written in Python, and was a fifth of what a line costs.
        """
        self.lock = None

    @property
    def stream(self) -> Any:
        return sys.stderr


def configure(log_format: str = "text", level: str = "INFO") -> None:
    """Send every logger of this process to stderr, as ``text`` or ``json``.

    gunicorn's own loggers included. May be called again; the last call holds.
    Handlers that others have put on the root logger stay.
    """
    handler = _StderrHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    for other in root.handlers[:]:
        if isinstance(other, _StderrHandler):
            root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level)

    # gunicorn gives its loggers handlers and a format of their own.
    for name in ("gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(level)
    # Nothing above prints them, and to find the caller means to walk the stack
    # (the logging HOWTO's "Optimization"): half of what a line costs, and a
    # storm of reconnects writes two lines a stream.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # A line per migration, of use only when one goes wrong.
    logging.getLogger("alembic").setLevel("WARNING")
    logging.captureWarnings(True)
