"""A real PgBouncer in front of a PostgreSQL, in transaction mode."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests.support.postgres_server import PostgresServer
from tests.support.programs import end, find_program, free_port
from tests.support.waiting import wait_until

_CONFIGURATION = """\
[databases]
* = host=127.0.0.1 port={server_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
ignore_startup_parameters = options
"""


class PgBouncer:
    """Pools transactions over two connections per database; a context manager."""

    def __init__(self, server: PostgresServer) -> None:
        self._program = find_program("pgbouncer")
        self._server = server
        self._directory = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def url(self, database: str) -> str:
        """Return the URL of a database behind it, as the deployment guide spells it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}?prepare_threshold=none"

    def __enter__(self) -> Self:
        file = self._directory / "pgbouncer.ini"
        file.write_text(_CONFIGURATION.format(server_port=self._server.port, port=self.port))
        as_user: list[str] = []
        if os.geteuid() == 0:
            # It refuses to run as root.
            for each in (self._directory, file):
                shutil.chown(each, "postgres", "postgres")
            as_user = [find_program("runuser"), "-u", "postgres", "--"]
        self._process = subprocess.Popen(
            [*as_user, self._program, "--quiet", str(file)],
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self._answers, 10, "PgBouncer does not answer")
        return self

    def _answers(self) -> bool:
        try:
            psycopg.connect(
                host="127.0.0.1", port=self.port, user="postgres", dbname="postgres"
            ).close()
        except psycopg.OperationalError:
            return False
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            end(self._process, 10)
        shutil.rmtree(self._directory, ignore_errors=True)
