"""A live stream in the terminal."""

from __future__ import annotations

import http.client
import json
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import click

# Until the stream says how often its heart beats; after that, twice its beat
# and a little: a silence longer than that is a connection that died.
FIRST_BYTE_TIMEOUT_SECONDS = 30.0
RETRY_SECONDS = 3.0


class Refused(Exception):
    """The service does not let us listen, and asking again would not help."""


@dataclass
class _Progress:
    """What survives from one connection to the next."""

    retry_seconds: float = RETRY_SECONDS
    last_event_id: str = ""


@dataclass
class _Event:
    type: str = "message"
    data: list[str] = field(default_factory=list)
    id: str | None = None

    @property
    def payload(self) -> dict[str, Any]:
        loaded = json.loads("\n".join(self.data))
        return loaded if isinstance(loaded, dict) else {"message": loaded}


def is_address(url: str) -> bool:
    """Tell whether one can connect to ``url``: http or https, a host, a port if any."""
    try:
        parts = urlsplit(url)
        # Each raises ValueError where connecting would fail again and again.
        host, _port = (parts.hostname or "").encode("idna"), parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host)


def follow(url: str, *, mint: Callable[[], str]) -> Iterator[str]:
    """Yield a line for each of the stream's events as they come, reconnecting for ever.

    ``url`` must be an address; see above. ``mint`` is asked for a fresh token
    before each attempt. The caller prints: in here, an error in writing would be
    taken for one of the connection.

    Raises:
        Refused: 401, 403, or anything else that is not a reason to wait.
    """
    progress = _Progress()
    while True:
        try:
            yield from _listen(url, mint(), progress)
            why = "the stream ended"
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
        click.echo(f"-- {why}; again in {progress.retry_seconds:.1f} s", err=True)
        time.sleep(progress.retry_seconds)


def interrupt_when_unread() -> None:
    """Have this process interrupted, as by Ctrl-C, once nobody reads it: ``... | head -1``.

    To write would fail then, but a quiet stream has nothing to write.
    """
    main_thread = threading.get_ident()

    def wait() -> None:
        reader = select.poll()
        reader.register(sys.stdout, 0)  # no event but that it is gone, which always counts
        reader.poll()
        signal.pthread_kill(main_thread, signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


def _listen(url: str, token: str, progress: _Progress) -> Iterator[str]:
    """Yield events, each as a line, until the connection ends."""
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = connect(parts.netloc, timeout=FIRST_BYTE_TIMEOUT_SECONDS)
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    if progress.last_event_id:
        headers["Last-Event-ID"] = progress.last_event_id
    try:
        connection.connect()
        wire = connection.sock
        connection.request("GET", quote(parts.path), headers=headers)
        response = connection.getresponse()
        if response.status != http.client.OK:
            _explain(response, progress)
            return
        for event in _events(response, progress):
            if event.type == "connection":
                wire.settimeout(2 * float(event.payload.get("heartbeatSeconds", 30)) + 5)
            if event.type != "heartbeat":
                yield _line(event)
    finally:
        connection.close()


def _explain(response: http.client.HTTPResponse, progress: _Progress) -> None:
    """Raise what the service says, unless it only asks for patience."""
    body = response.read(10_000)
    try:
        problem = json.loads(body)
        why = problem.get("detail") or problem.get("title") or response.reason
    except (ValueError, AttributeError):
        why = response.reason
    if response.status in (429, 503):
        progress.retry_seconds = float(response.headers.get("Retry-After") or RETRY_SECONDS)
        raise ConnectionRefusedError(f"{response.status}: {why}")
    if response.status in (502, 504):
        raise ConnectionRefusedError(f"{response.status}: {why}")
    raise Refused(f"{response.status}: {why}")


def _events(response: http.client.HTTPResponse, progress: _Progress) -> Iterator[_Event]:
    """Read blocks of "name: value" lines, each ended by an empty line."""
    event = _Event()
    while line := response.readline():
        name, _, value = line.decode(errors="replace").rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                event.type = value
            case "data":
                event.data.append(value)
            case "id":
                event.id = value
            case "retry" if value.isdecimal():
                progress.retry_seconds = int(value) / 1000
            case "" if not value:
                # Only now: a block cut off before its empty line never came.
                if event.id is not None:
                    progress.last_event_id = event.id
                if event.data:
                    yield event
                event = _Event()


def _line(event: _Event) -> str:
    """Return one readable line: when, what, and what it says."""
    payload = event.payload
    when = _local_time(payload.get("timestamp"))
    if event.type == "connection":
        text = f"listening to {payload.get('sessionId') or payload.get('waiterId')}"
        text += " (resumed)" if payload.get("resumed") else ""
    else:
        text = str(payload.get("message") or payload.get("reason") or "")
    if status := payload.get("status"):
        before = payload.get("previousStatus")
        thing = payload.get("orderId") or payload.get("requestId")
        text += f"  [{thing}: {f'{before} -> ' if before else ''}{status}]"
    if affected := payload.get("affectedData"):
        text += f"  [load again: {', '.join(affected)}]"
    # What others wrote must not steer this terminal.
    text = "".join(char if char.isprintable() else "?" for char in text)
    return f"{when}  {event.type:<16}  {text}"


def _local_time(timestamp: object) -> str:
    try:
        when = datetime.fromisoformat(str(timestamp)).astimezone()
    except ValueError:
        when = datetime.now().astimezone()
    return when.strftime("%H:%M:%S")
