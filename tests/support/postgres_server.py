"""A real PostgreSQL, made for the tests and deleted afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import psycopg

from tests.support.programs import children_of, find_program, free_port, kill_group
from tests.support.waiting import wait_until


class PostgresServer:
    """One PostgreSQL cluster on a port of its own, for any number of databases.

    Root may not run it, so as root it runs as the ``postgres`` user that
    Debian's package makes. Nothing is synced to disk, which makes the tests several
    times faster; they do not test a power cut.
    """

    def __init__(self, *, primary: PostgresServer | None = None) -> None:
        self._program = find_program("postgres")
        initdb = find_program("initdb")
        # Not below pytest's own directory, which only our user may enter.
        self._directory = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self._directory, "postgres", "postgres")
            self._as_user = [find_program("runuser"), "-u", "postgres", "--"]
        self.port = free_port()
        self.successors_port = free_port()
        """Of the one that takes its place, and has this one's port for its own successor."""
        if primary is not None:
            self.port, self.successors_port = primary.successors_port, primary.port
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        make = [
            *(initdb, "--pgdata", str(self._data), "--username", "postgres", "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
        ]
        if primary is not None:
            make = [
                *(find_program("pg_basebackup"), "--pgdata", str(self._data)),
                *("--dbname", primary.url(), "--write-recovery-conf", "--checkpoint=fast"),
                *("--wal-method=stream", "--no-sync"),
            ]
        subprocess.run(
            [*self._as_user, *make], check=True, capture_output=True, cwd=self._directory
        )

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def url(self, database: str = "postgres") -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def url_of_either(self, database: str) -> str:
        """Return the URL of one of its databases, there or at what takes its place."""
        hosts = "&".join(f"host=127.0.0.1:{port}" for port in (self.port, self.successors_port))
        return f"postgresql://postgres@/{database}?{hosts}&target_session_attrs=read-write"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        if self._process is not None:
            return
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self._directory,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        with (self._directory / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(*self._as_user, self._program, "-D", str(self._data)),
                    *(word for key, value in options.items() for word in ("-c", f"{key}={value}")),
                ],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait_until(self._answers, 20, "PostgreSQL does not answer")
        except BaseException:
            kill_group(self._process)
            self._process = None
            raise

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside any transaction, also while changes are refused."""
        writable = "-c default_transaction_read_only=off"
        with psycopg.connect(self.url(database), autocommit=True, options=writable) as connection:
            connection.execute(statement.encode())

    def promote(self) -> None:
        """Promote a standby to a primary."""
        self.execute("SELECT pg_promote()")

    def refuse_changes(self, refuses: bool = True) -> None:
        """Make all transactions read-only, as a provider does when the disk is full."""
        self.execute(f"ALTER SYSTEM SET default_transaction_read_only = {refuses}")
        self.execute("SELECT pg_reload_conf()")

    def create_database(self, template: str = "template0") -> str:
        """Create a database, as a copy of ``template``, and return its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, even if clients are connected."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def stop(self) -> None:
        """Stop it, ending all connections (a "fast" shutdown)."""
        process, self._process = self._process, None
        if process is not None:
            # runuser passes SIGTERM on, but PostgreSQL would then wait for its
            # clients; SIGINT goes to the server itself.
            os.kill(self.pid, signal.SIGINT)
            process.wait(20)

    def kill(self) -> None:
        """Kill it at once; the next start recovers."""
        process, self._process = self._process, None
        if process is not None:
            backends = children_of(self.pid)
            kill_group(process)
            # Each has its own process group. They would end by themselves, but
            # no new server can start until then.
            for pid in backends:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait_until(
                lambda: not any(Path(f"/proc/{pid}").exists() for pid in backends),
                message="PostgreSQL's backends live on",
            )

    def freeze(self) -> None:
        """Make it silent: connections stay open, nothing answers. Call ``thaw`` at the end."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again after ``freeze``."""
        self._signal_all(signal.SIGCONT)
        if self._process is not None:
            # runuser stops itself when what it runs is stopped.
            self._process.send_signal(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        server = self.pid
        for pid in (server, *children_of(server)):
            with contextlib.suppress(ProcessLookupError):  # it has already ended
                os.kill(pid, number)

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def pid(self) -> int:
        """The server's process id, the parent of all that serve a connection."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def remove(self) -> None:
        """Stop it and delete all of it."""
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)
