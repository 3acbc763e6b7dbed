"""Another process that publishes, controlled by the test."""

from __future__ import annotations

import subprocess
import sys
from typing import Self

from tests.support.programs import REPOSITORY


class Publisher:
    """Publishes ``count`` events on ``channel`` when it is told to (``publishing_process``)."""

    def __init__(self, url: str, channel: str, count: int, key_prefix: str) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.publishing_process"),
                *(url, channel, str(count), key_prefix),
            ],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def expect(self, word: str) -> None:
        """Wait until it prints ``word``; fail if it prints another or ends."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == word

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """Kill it at once (SIGKILL)."""
        self._process.kill()
        self._process.wait(10)
