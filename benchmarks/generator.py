"""Compiles the load generator, starts it on its own core, and sends it commands line by line."""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks import processes
from benchmarks.paths import HERE, PEERS

#: The load generator's core. The server has core 0 for itself.
GENERATOR_CORE = 1
#: Seconds beyond a command's own limit after which the generator counts as hung.
GRACE_SECONDS = 10.0

Answer = dict[str, Any]


class GeneratorError(Exception):
    """The load generator could not be built, or stopped answering."""


def build() -> Path:
    """Compile the generator if a source is newer than it. Needs a C compiler.

    It is in C because in Python (some 6 us per event) it would be slower than the fastest servers.
    """
    binary = PEERS / "loadgen"
    sources = sorted((HERE / "loadgen").glob("*.c"))
    newest = max(f.stat().st_mtime for f in (HERE / "loadgen").iterdir())
    if binary.exists() and binary.stat().st_mtime > newest:
        return binary
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise GeneratorError(
            "the load generator is written in C and no compiler was found: install one "
            "(Debian: apt-get install gcc libc6-dev)"
        )
    PEERS.mkdir(exist_ok=True)
    subprocess.run(
        [compiler, "-O2", "-Wall", "-Wextra", "-o", binary, *map(str, sources)], check=True
    )
    return binary


class Generator:
    """One running load generator. Not thread-safe: one command at a time."""

    def __init__(self) -> None:
        self.binary = build()
        self._log = (PEERS / "loadgen.log").open("ab")
        self._process = subprocess.Popen(
            [self.binary],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            preexec_fn=lambda: os.sched_setaffinity(0, {GENERATOR_CORE}),
        )

    def __enter__(self) -> Generator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def cpu_seconds(self) -> float:
        """The processor time that the generator itself has used."""
        return processes.cpu_seconds([self._process.pid])

    def command(self, text: str, *, limit_seconds: float = 5.0) -> Answer:
        """Send one command and return its answer.

        Raises:
            GeneratorError: the generator died, refused the command, or did not answer within
                ``limit_seconds`` and some extra time.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(text.encode() + b"\n")
            stdin.flush()
            ready, _, _ = select.select([stdout], [], [], limit_seconds + GRACE_SECONDS)
            line = stdout.readline() if ready else b""
        except BrokenPipeError:
            line = b""
        if not line:
            raise GeneratorError(f"no answer to {text!r}; see {PEERS / 'loadgen.log'}")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise GeneratorError(f"{text!r}: {answer['error']}")
        return answer

    def aim(self, port: int, requests: Iterable[str], *, ready: str) -> None:
        """Set the server's port and one request per stream: path and headers, separated by tabs."""
        listing = PEERS / "requests.txt"
        listing.write_text("".join(f"{request}\n" for request in requests))
        self.command(f"target {port}")
        self.command(f"ready {ready}")
        self.command("resume off")
        self.command("storm off")
        self.command(f"requests {listing}")

    def open(
        self, first: int, count: int, *, in_flight: int = 64, limit_seconds: float = 60.0
    ) -> Answer:
        """Open streams and wait until all are open. Raise an error if some do not open."""
        answer = self.command(
            f"open {first} {count} {in_flight} {limit_seconds * 1000:.0f}",
            limit_seconds=limit_seconds,
        )
        if answer["up"] != answer["wanted"]:
            raise GeneratorError(f"not all streams came up: {answer}")
        return answer

    def publish(self, path: str, *, total: int, limit_seconds: float) -> Answer:
        """Ask the server to publish (POST ``path``); wait for its answer and ``total`` events."""
        return self.command(
            f"publish {limit_seconds * 1000:.0f} {total} {path}", limit_seconds=limit_seconds
        )


def raise_file_limit() -> int:
    """Raise the limit of open files as far as the system allows, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
