"""Logging: readable lines, or JSON for a log store.

Convention: a message is a constant sentence, and values go beside it as flat fields, so that
a program can search for both::

    log.info("stream closed", extra={"fields": {"stream": stream_id, "seconds": 12.4}})

Text: ``2024-01-15T10:30:00.000Z INFO notifications.streams: stream closed
stream=k3f9 seconds=12.4 pid=4711 instance=web1:8000``. JSON: one object a line, with
``timestamp``, ``level``, ``logger``, ``message``, the fields, ``pid``, ``instance``,
``requestId`` if the line belongs to a request, and ``exception`` if there is one. A field
cannot replace one of those.

No value can forge a line or a field: control characters are escaped, values with blanks or
quotes are quoted, and a traceback is indented. No value makes a line long: each is cut
(``MAX_FIELD_CHARS`` and so on).

No token reaches a line, whichever code logged it and however deep in a traceback it
was: whole lines are redacted just before they are written.

In gunicorn's processes a thread writes (``runtime/log_writer.py``); elsewhere, as on the
command line, a line is written at once. ``docs/decisions/0007-log-lines.md`` says why.
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

#: Characters of one field, of a message and of a traceback. Clients choose part of their
#: contents. Longer ones are cut, a traceback at its beginning.
MAX_FIELD_CHARS = 500
MAX_MESSAGE_CHARS = 2000
MAX_EXCEPTION_CHARS = 8000

# Characters that a terminal or a log store may not treat as text: the control characters of
# ASCII and Latin-1, Unicode's line ends, and its marks that change the direction of text.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Characters that a value without quotes must not contain.
_PLAIN = re.compile(r"[^\s\"'=]+")

# Three base64url parts, the first of which decodes to '{"': every JWT. The last part may be
# empty ("alg": "none"). Not only at the start of a word: after an encoded "="
# (token%3DeyJ...) it stands in the middle of one. A first part alone is matched and kept:
# trying again from each "eyJ" within it would take 5 s for 60 KB of them.
_JWT = re.compile(r"eyJ[\w-]++(\.[\w-]++\.[\w-]*+)?")
# In a query string, a cookie, a header, a repr; the value ends where such values end.
_NAMED = re.compile(r"(?i)(\b\w*token=|\bbearer\s+)[^\s&;,'\"\\]+")


def redact(text: str) -> str:
    """Return ``text`` with every token in it replaced by a placeholder."""
    # The patterns try every word. A plain search finds out in a twentieth of the time
    # that most lines need none of them.
    lowered = text.lower()
    if "eyj" not in lowered and "token=" not in lowered and "bearer" not in lowered:
        return text
    text = _JWT.sub(lambda found: "[redacted]" if found[1] else found[0], text)
    return _NAMED.sub(r"\1[redacted]", text)


def _timestamp(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    # In a storm thousands of lines share one second.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, Mapping) else {}


def _escape(text: str) -> str:
    """Return ``text`` with its control characters escaped."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _cut(text: str, max_chars: int) -> str:
    if len(text) <= max_chars:
        return text
    # Redacted first, since half a token would not be recognised.
    text = redact(text)
    return text[:max_chars] + f"... ({len(text)} characters)" if len(text) > max_chars else text


class _Formatter(logging.Formatter):
    """The base of both formats; ``instance`` identifies this process's server."""

    def __init__(self, instance: str) -> None:
        super().__init__()
        self._instance = instance

    def _origin(self) -> dict[str, object]:
        """Return the fields of every line. The process may have forked since the last line."""
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
    """One line per record, followed by an indented traceback if there is one."""

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
    """One JSON object per line; values without a JSON form are written as text."""

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
        # JSON escapes the control characters below the blank, but not this one.
        return redact(json.dumps(line)).replace("\x7f", "\\u007f")


def _as_text(value: object) -> str:
    text = _cut(str(value), MAX_FIELD_CHARS)
    is_plain = _PLAIN.fullmatch(text) and not _CONTROL.search(text)
    return text if is_plain else _escape(repr(text))


def _as_json(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if not isinstance(value, str):
        # A short collection keeps its form.
        text = json.dumps(value, default=str)
        return json.loads(text) if len(text) <= MAX_FIELD_CHARS else _cut(text, MAX_FIELD_CHARS)
    return _cut(value, MAX_FIELD_CHARS)


class _Handler(logging.Handler):
    """Formats records and writes each as one line, without a lock of its own.

    gevent's lock is written in Python, and was a fifth of the cost of a line. None is needed: to
    queue a line, or to write it at once, is a single step for all greenlets.
    """

    def __init__(self) -> None:
        super().__init__()
        self.writer: LogWriter | None = None

    def createLock(self) -> None:  # noqa: N802 - logging's own name
        """Create no lock."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> Any:
        """Do what logging's own method does, without the lock; Python 3.13 requires one."""
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
                # The present stderr, not the one when this handler was created.
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
        except Exception:  # noqa: BLE001 - logging's own way
            self.handleError(record)

    def flush(self) -> None:
        """Wait briefly until all lines are written; logging calls this when the process ends."""
        if self.writer is not None:
            self.writer.flush()

    def describe_loss(self, lines: int) -> str:
        """Return the line that reports ``lines`` lost lines."""
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

    Includes gunicorn's own loggers. May be called again; the last call wins. Handlers that other
    code has put on the root logger stay.

    ``writer`` makes sure that no line waits for stderr's reader, and also takes what is
    printed to ``sys.stderr``. Once given, it stays.
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
    # The format does not use these, and finding the caller means walking the stack (the
    # logging HOWTO's "Optimization"): half the cost of a line, and a storm of reconnects writes
    # two lines per stream.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # One line per migration, useful only if one fails.
    logging.getLogger("alembic").setLevel("WARNING")
    logging.captureWarnings(True)


def configure_from(settings: Settings, *, writer: LogWriter | None = None) -> None:
    """Configure logging as the settings say.

    For the programs of this service. ``create_app`` does not touch logging: it may run in a
    process that has its own.
    """
    configure(settings.log_format, settings.log_level, instance=settings.instance, writer=writer)


def dropped_lines() -> int:
    """Return how many lines of this process were lost because the reader was too slow."""
    return sum(
        each.writer.dropped
        for each in logging.getLogger().handlers
        if isinstance(each, _Handler) and each.writer is not None
    )
