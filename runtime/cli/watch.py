"""A live stream in the terminal."""

from __future__ import annotations

import http.client
import json
import math
import random
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import click

from runtime.cli.event_stream import Event, EventStreamParser

# Until the stream says how often it sends a heartbeat. Afterwards: a little more than twice
# that. A connection that is silent for longer is dead.
FIRST_BYTE_TIMEOUT_SECONDS = 30.0
HEARTBEAT_SECONDS = 30.0
MIN_HEARTBEAT_SECONDS, MAX_HEARTBEAT_SECONDS = 0.05, 3600.0

# Between two attempts, even if the server asks for less. Repeated failures double it.
RETRY_SECONDS = 3.0
MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.2, 60.0
# A stream that lived this long was good: the next failure counts as the first.
STEADY_SECONDS = 10.0

# Statuses that ask for patience, also when our own service sends them.
_PATIENCE = {http.client.REQUEST_TIMEOUT, http.client.TOO_MANY_REQUESTS}


class Refused(Exception):
    """The service refuses this stream, and trying again would not help."""


class _TryAgain(Exception):
    """There is no stream now; ``after_seconds`` is when to try again, if the server said so."""

    def __init__(self, why: str, after_seconds: float | None = None) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds


def is_address(url: str) -> bool:
    """Return whether ``url`` can be connected to: http or https, a host, a port if any."""
    try:
        parts = urlsplit(url)
        # Each raises ValueError where connecting would always fail.
        host, _port = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host)


def follow(
    url: str, *, mint: Callable[[], str], pause: Callable[[float], None] = time.sleep
) -> Iterator[str]:
    """Yield a line for each event of the stream; reconnect and resume until refused.

    ``url`` must have been checked; see above. ``mint`` makes a new token before each attempt,
    ``pause`` waits for seconds between two. The caller prints: in here, a failed write would
    look like a failed connection.

    Raises:
        Refused: the service says that the stream is not ours, or has ended for good.
    """
    last_event_id, failures = "", 0
    retry_ms: int | None = None
    while True:
        parser = EventStreamParser(last_event_id)
        started, asked_seconds = time.monotonic(), None
        try:
            yield from _listen(url, mint(), parser)
            why = "the stream ended"
        except _TryAgain as error:
            why, asked_seconds = str(error), error.after_seconds
        except (OSError, http.client.HTTPException) as error:
            why = f"no stream from {url}: {str(error) or type(error).__name__}"
        last_event_id = parser.last_event_id
        retry_ms = retry_ms if parser.retry_ms is None else parser.retry_ms
        failures = 0 if time.monotonic() - started > STEADY_SECONDS else failures + 1
        seconds = asked_seconds or (RETRY_SECONDS if retry_ms is None else retry_ms / 1000)
        if failures > 1:
            seconds *= 2 ** min(failures - 1, 6) * random.uniform(0.5, 1.0)  # noqa: S311
        seconds = _within(seconds, MIN_RETRY_SECONDS, MAX_RETRY_SECONDS)
        click.echo(f"-- {why}; again in {seconds:.1f} s", err=True)
        pause(seconds)


def interrupt_when_unread() -> None:
    """Interrupt this process, as Ctrl-C does, once its reader is gone: ``... | head -1``.

    A write would fail then, but a quiet stream writes nothing.
    """
    main_thread = threading.get_ident()

    def wait() -> None:
        reader = select.poll()
        reader.register(sys.stdout, 0)  # a reader that is gone is always reported
        reader.poll()
        signal.pthread_kill(main_thread, signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


def _listen(url: str, token: str, parser: EventStreamParser) -> Iterator[str]:
    """Yield events, each as a line, until the connection ends."""
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    if parser.last_event_id:
        headers["Last-Event-ID"] = parser.last_event_id
    with closing(connect(parts.netloc, timeout=FIRST_BYTE_TIMEOUT_SECONDS)) as connection:
        connection.connect()
        wire = connection.sock
        connection.request("GET", quote(parts.path), headers=headers)
        # The response outlives its connection, which http.client may close first.
        with closing(connection.getresponse()) as response:
            if response.status != http.client.OK or _media_type(response) != "text/event-stream":
                raise _reason(response)
            while chunk := response.read1(65_536):
                for event in parser.feed(chunk):
                    payload = _payload(event)
                    if event.type == "connection":
                        wire.settimeout(2 * _heartbeat_seconds(payload) + 5)
                    if event.type != "heartbeat":
                        yield _line(event.type, payload)
                    if event.type == "closing":
                        raise _end(payload)


def _heartbeat_seconds(payload: dict[str, Any]) -> float:
    said = _number(payload.get("heartbeatSeconds"), HEARTBEAT_SECONDS)
    return _within(said, MIN_HEARTBEAT_SECONDS, MAX_HEARTBEAT_SECONDS)


def _end(payload: dict[str, Any]) -> Refused | _TryAgain:
    """Return what a ``closing`` event means: for good, or until later."""
    reason = str(payload.get("reason") or "the server closed the stream")
    if payload.get("reconnect") is False:
        return Refused(reason)
    after_ms = _number(payload.get("reconnectInMs"), 0.0)
    return _TryAgain(reason, after_ms / 1000 or None)


def _reason(response: http.client.HTTPResponse) -> Refused | _TryAgain:
    """Return why there is no stream.

    Only the service's own answer is final, and that is problem+json. Any other answer comes
    from something in between, such as a proxy during a deploy.
    """
    try:
        problem = json.loads(response.read(10_000))
        why = problem.get("detail") or problem.get("title") or response.reason
    except (ValueError, AttributeError):
        why = response.reason
    status = response.status
    is_ours = _media_type(response) == "application/problem+json"
    if is_ours and 400 <= status < 500 and status not in _PATIENCE:
        return Refused(f"{status}: {why}")
    if status == http.client.OK:
        why = f"an answer that is no event stream ({_media_type(response) or 'no type'})"
    return _TryAgain(f"{status}: {why}", _retry_after(response))


def _media_type(response: http.client.HTTPResponse) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _retry_after(response: http.client.HTTPResponse) -> float | None:
    """Return the seconds of Retry-After, a number or a date; None if it is neither."""
    asked = response.headers.get("Retry-After", "")
    try:
        seconds = float(asked)
    except ValueError:
        try:
            moment = parsedate_to_datetime(asked)
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _within(number: float, least: float, most: float) -> float:
    return min(max(number, least), most)


def _number(value: object, default: float) -> float:
    """Return a number from outside, or ``default`` if it is not a number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return default


def _payload(event: Event) -> dict[str, Any]:
    try:
        loaded = json.loads(event.data)
    except ValueError:
        loaded = event.data
    return loaded if isinstance(loaded, dict) else {"message": loaded}


def _line(event_type: str, payload: dict[str, Any]) -> str:
    """Return one readable line: when, what, and what it says."""
    when = _local_time(payload.get("timestamp"))
    if event_type == "connection":
        ids = (payload.get(name) for name in ("sessionId", "waiterId", "venueId"))
        text = f"listening to {next(filter(None, ids), None)}"
        text += " (resumed)" if payload.get("resumed") else ""
    else:
        text = str(payload.get("message") or payload.get("reason") or "")
    if status := payload.get("status"):
        before = payload.get("previousStatus")
        thing = payload.get("orderId") or payload.get("requestId")
        text += f"  [{thing}: {f'{before} -> ' if before else ''}{status}]"
    if isinstance(affected := payload.get("affectedData"), list):
        text += f"  [load again: {', '.join(map(str, affected))}]"
    return f"{when}  {_printable(event_type):<16}  {_printable(text)}"


def _printable(text: str) -> str:
    """Return ``text`` without characters that could control this terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _local_time(timestamp: object) -> str:
    try:
        when = datetime.fromisoformat(str(timestamp)).astimezone()
    except (ValueError, OverflowError):
        when = datetime.now().astimezone()
    return when.strftime("%H:%M:%S")
