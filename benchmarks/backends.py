"""Temporary Redis and PostgreSQL servers on loopback, for the servers that need one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from benchmarks import install, processes
from benchmarks.servers import Server


def install_redis() -> None:
    """Debian's redis-server."""
    install.debian("redis-server", Path("/usr/bin/redis-server"))


def launch_redis(server: Server) -> str:
    """Start a Redis without persistence as a process of ``server``; return its URL."""
    port = processes.free_port()
    process = server.spawn(
        "/usr/bin/redis-server",
        *("--port", str(port), "--bind", "127.0.0.1", "--maxclients", "15000"),
        *("--save", "", "--appendonly", "no"),
    )
    processes.await_port(process, port)
    return f"redis://127.0.0.1:{port}/0"


def postgres_programs() -> Path | None:
    """Return the directory of PostgreSQL's server programs, of the newest version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def install_postgres() -> None:
    """Debian's PostgreSQL."""
    if postgres_programs() is None:
        install.debian("postgresql", Path("/usr/lib/postgresql"))


def launch_postgres(server: Server) -> str:
    """Start a new PostgreSQL as a process of ``server``; return its URL.

    Durable as in production (fsync on), because a commit's latency is part of the figure.
    """
    programs = postgres_programs()
    if programs is None:
        raise install.InstallError("PostgreSQL is missing: apt-get install postgresql")
    data, port = server.dir / "postgres", processes.free_port()
    # PostgreSQL refuses to run as root.
    user: list[str | Path] = []
    data.mkdir()
    if os.geteuid() == 0:
        shutil.chown(data, "postgres", "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    install.run([*user, programs / "initdb", "-D", data, "-U", "bench", "-A", "trust"], data)
    process = server.spawn(
        *(*user, programs / "postgres", "-D", data, "-p", str(port)),
        *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={data}"),
        cwd=data,
    )
    processes.await_port(process, port)
    for _ in range(100):
        if _accepts(programs, port):
            return f"postgresql://bench@127.0.0.1:{port}/postgres"
        time.sleep(0.1)
    raise processes.StartError("PostgreSQL accepts no connections")


def _accepts(programs: Path, port: int) -> bool:
    command = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    return subprocess.run([str(c) for c in command], check=False).returncode == 0
