"""Serve, and restart the whole service when a source file changes: what ``make dev`` runs.

gunicorn's own ``--reload`` replaces the workers alone. The master has imported much of the service
by then, so its new workers would go on with the old code.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

#: What is watched: each takes effect at a start. A page loads .js and .css from the disk each time.
SUFFIXES = {".py", ".lua", ".html"}
ROOMS = ("api", "demo", "notifications", "runtime", "waiter_service")
PAUSE_SECONDS = 0.5
#: A stopping server sends its streams away and saves their history; then it is killed.
STOP_SECONDS = 30.0

COMMAND = (sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py")


def changed_at(root: Path) -> dict[Path, int]:
    """Return when each source file below ``root`` last changed, in nanoseconds."""
    files = [*root.glob("*.py"), *(file for room in ROOMS for file in (root / room).rglob("*"))]
    found = {}
    for file in files:
        if file.suffix in SUFFIXES:
            try:
                found[file] = file.stat().st_mtime_ns
            except FileNotFoundError:
                continue  # an editor has just put another file in its place
    return found


def wait_for_change(root: Path, known: dict[Path, int], server: subprocess.Popen[bytes]) -> str:
    """Return the name of a file that is not as ``known``, once there is one."""
    is_told = False
    while (now := changed_at(root)) == known:
        if server.poll() is not None and not is_told:
            is_told = True
            say("the service has stopped; it starts again when a file changes")
        time.sleep(PAUSE_SECONDS)
    first, _ = min(now.items() ^ known.items())
    return str(first.relative_to(root))


def stop(server: subprocess.Popen[bytes]) -> None:
    """Have it send its streams away, and wait until it has ended."""
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def say(text: str) -> None:
    print(f"make dev: {text}", file=sys.stderr, flush=True)


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def main() -> None:
    """Serve until a signal ends it."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    root = Path.cwd()
    while True:
        known = changed_at(root)
        server = subprocess.Popen(COMMAND)
        try:
            changed = wait_for_change(root, known, server)
            say(f"{changed} has changed; the service restarts")
        finally:
            stop(server)


if __name__ == "__main__":
    main()
