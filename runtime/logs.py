"""What the service writes down: readable lines, or JSON for a log store.

Convention: loggers are named by ``__name__``; a message is a constant sentence, and
what varies goes beside it as flat fields, so that a machine can search for both::

    log.info("stream closed", extra={"fields": {"stream": stream_id, "seconds": 12.4}})

Text: ``2024-01-15T10:30:00.000Z INFO notifications.streams.service: stream closed
stream=k3f9 seconds=12.4 pid=4711 instance=web1:8000``. JSON: one object a line, with
``timestamp``, ``level``, ``logger``, ``message``, the fields, ``pid``, ``instance``,
``requestId`` where the line belongs to a request, and ``exception`` where there is one.
A field cannot replace one of those.

No value can forge a line or a field: control characters are escaped, values with
blanks or quotes are quoted, and a traceback is indented. No value makes a line
long: each is cut (``MAX_FIELD_CHARS`` and so on).

No token reaches a line, no matter who logged it or how deep in a traceback it
stood: whole lines are redacted just before they are written.

In gunicorn's processes a thread writes (``runtime/log_writer.py``); elsewhere, as on
the command line, a line is written at once. ``docs/decisions/0007-log-lines.md`` says why.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from notifications.entrance import request_id
from runtime.log_writer import LineStream, LogWriter
from runtime.settings import Settings

#: Characters of one field, of a message and of a traceback. Clients choose some of
#: what is in them. Longer ones are cut, the traceback at its beginning.
MAX_FIELD_CHARS = 500
MAX_MESSAGE_CHARS = 2000
MAX_EXCEPTION_CHARS = 8000

# Everything that a terminal or a log store may take for more than a character: the
# control characters of ASCII and Latin-1, Unicode's line ends, and its marks that
# change the direction in which text is shown.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What a value may not hold where it stands in a line without quotes.
_PLAIN = re.compile(r"[^\s\"'=]+")

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


def _escape(text: str) -> str:
    """Return ``text`` with its control characters spelled out."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _cut(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    # Redacted first: half a token is not recognised any more.
    text = redact(text)
    return text[:max_chars] + f"... ({len(text)} characters)" if len(text) > max_chars else text


class _Formatter(logging.Formatter):
    """What both formats share; ``instance`` names this process's server among all."""

    def __init__(self, instance: str) -> None:
        super().__init__()
        self._instance = instance

    def _origin(self) -> dict[str, object]:
        """Return the fields of every line. The process may have forked since the last one."""
        origin: dict[str, object] = {"pid": os.getpid(), "instance": self._instance}
        if (current := request_id.current()) is not None:
            origin["requestId"] = current
        return origin

    def _exception(self, record: logging.LogRecord) -> str | None:
        if not record.exc_info:
            return None
        text = redact(self.formatException(record.exc_info))
        # The end of a traceback says what happened.
        return text if len(text) <= MAX_EXCEPTION_CHARS else f"...{text[-MAX_EXCEPTION_CHARS:]}"


class TextFormatter(_Formatter):
    """One line a record, and below it a traceback, indented, where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [_escape(_cut(record.getMessage(), MAX_MESSAGE_CHARS))]
        fields = {**_fields(record), **self._origin()}
        parts += [f"{key}={_as_text(value)}" for key, value in fields.items()]
        line = f"{_timestamp(record)} {record.levelname} {record.name}: {' '.join(parts)}"
        for more in (self._exception(record), record.stack_info):
            if more:
                lines = [f"\n  {_escape(each)}" for each in more.splitlines()]
                line += "".join(lines)
        return redact(line)


class JsonFormatter(_Formatter):
    """One JSON object a line; what JSON has no form for is written as text."""

    def format(self, record: logging.LogRecord) -> str:
        line = {key: _as_json(value) for key, value in _fields(record).items()}
        line |= {
            "timestamp": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _cut(record.getMessage(), MAX_MESSAGE_CHARS),
            **self._origin(),
        }
        if exception := self._exception(record):
            line["exception"] = exception
        # JSON escapes the control characters below the blank; this one it leaves.
        return redact(json.dumps(line)).replace("\x7f", "\\u007f")


def _as_text(value: object) -> str:
    text = _cut(str(value), MAX_FIELD_CHARS)
    is_plain = _PLAIN.fullmatch(text) and not _CONTROL.search(text)
    return text if is_plain else _escape(repr(text))


def _as_json(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if not isinstance(value, str):
        # A collection is kept in its form, as long as it is short.
        text = json.dumps(value, default=str)
        return json.loads(text) if len(text) <= MAX_FIELD_CHARS else _cut(text, MAX_FIELD_CHARS)
    return _cut(value, MAX_FIELD_CHARS)


class _Handler(logging.Handler):
    """Formats records and writes each as one line, with no lock of its own.

    gevent's lock is written in Python, and was a fifth of what a line costs. None is
    needed: to queue a line, or to write it in one go, is one step for all greenlets.
    """

    def __init__(self) -> None:
        super().__init__()
        self.writer: LogWriter | None = None

    def createLock(self) -> None:  # noqa: N802 - logging's own name
        """Make none."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> Any:
        """Do what logging's own does, but for the lock; Python 3.13 insists on one."""
        passed: Any = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Write ``record``."""
        try:
            line = self.format(record)
            if self.writer is not None:
                self.writer.write(line)
            else:
                # What is stderr now, not when this handler was made.
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
        except Exception:  # noqa: BLE001 - logging's own way
            self.handleError(record)

    def flush(self) -> None:
        """Wait, not long, until all is written; logging calls this when the process ends."""
        if self.writer is not None:
            self.writer.flush()

    def describe_loss(self, lines: int) -> str:
        """Return the line that tells of ``lines`` that could not be written."""
        record = logging.LogRecord(
            __name__, logging.WARNING, __file__, 0, "log lines dropped", None, None
        )
        record.fields = {"lines": lines}
        return self.format(record)


def configure(
    log_format: str = "text",
    level: str = "INFO",
    *,
    instance: str = "-",
    writer: LogWriter | None = None,
) -> None:
    """Send every logger of this process to stderr, as ``text`` or ``json``.

    gunicorn's own loggers included. May be called again; the last call holds.
    Handlers that others have put on the root logger stay.

    ``writer`` makes sure that no line ever waits for stderr's reader, and takes
    what is printed to ``sys.stderr`` as well. Once given, it stays.
    """
    root = logging.getLogger()
    handler = next((each for each in root.handlers if isinstance(each, _Handler)), None)
    if handler is None:
        handler = _Handler()
        root.addHandler(handler)
    formatter = JsonFormatter if log_format == "json" else TextFormatter
    handler.setFormatter(formatter(instance))
    root.setLevel(level)
    if writer is not None:
        handler.writer = writer
        writer.describe_loss = handler.describe_loss
        sys.stderr = LineStream(lambda line: writer.write(redact(line)))

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


def configure_from(settings: Settings, *, writer: LogWriter | None = None) -> None:
    """Do what ``configure`` does, as the settings have it.

    For the programs of this service. ``create_app`` leaves logging alone: it may
    run in a process that has its own.
    """
    configure(settings.log_format, settings.log_level, instance=settings.instance, writer=writer)


def dropped_lines() -> int:
    """Return how many lines of this process were lost, since nobody read them in time."""
    return sum(
        each.writer.dropped
        for each in logging.getLogger().handlers
        if isinstance(each, _Handler) and each.writer is not None
    )
