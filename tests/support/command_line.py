"""The command line of the service, as an operator uses it beside a running server."""

from __future__ import annotations

import subprocess
import sys

from tests.support.programs import REPOSITORY
from tests.support.service_server import ServiceServer


def flask(server: ServiceServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``flask --app app ...`` in the environment of ``server``."""
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", *arguments],
        cwd=REPOSITORY,
        env=server.env,
        capture_output=True,
        text=True,
        timeout=30,
    )
