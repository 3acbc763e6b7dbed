"""The service's command line, used beside a running server."""

from __future__ import annotations

import subprocess
import sys

from tests.support.programs import REPOSITORY, find_program
from tests.support.service_server import ServiceServer


def flask(
    server: ServiceServer, *arguments: str, clock: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``flask --app app ...`` in the environment of ``server``.

    ``clock`` sets its clock ahead or back, in the form of the program faketime: ``-35s``, ``+1h``.
    """
    off = [find_program("faketime"), "-f", clock] if clock else []
    return subprocess.run(
        [*off, sys.executable, "-m", "flask", "--app", "app", *arguments],
        cwd=REPOSITORY,
        env=server.env,
        capture_output=True,
        text=True,
        timeout=30,
    )
