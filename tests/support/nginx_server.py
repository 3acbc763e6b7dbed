"""A real nginx with the shipped configuration, on the tests' own ports and paths."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from tests.support.certificates import make_certificate
from tests.support.programs import (
    REPOSITORY,
    children_of,
    end,
    find_program,
    free_port,
    kill_group,
)
from tests.support.waiting import wait_until

SHIPPED = REPOSITORY / "deploy" / "nginx"

#: The names of the instances in the shipped configuration, which are their ports.
_SHIPPED_INSTANCES = ("8001", "8002")

#: An address of this machine that is not among the internal ones.
OUTSIDE = "127.0.0.2"


class NginxServer:
    """nginx in front of the gunicorn instances on ``upstream_ports``.

    The configuration is a copy of ``deploy/nginx`` in ``directory``; ``edit`` it
    before ``start`` or ``reload``.
    """

    def __init__(self, directory: Path, upstream_ports: Sequence[int]) -> None:
        self._program = find_program("nginx")
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.port, self.plain_port = free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self.certificate = directory / "cert.pem"
        self._error_log = directory / "error.log"
        self._access_log = directory / "access.log"
        make_certificate(self.certificate, directory / "key.pem")
        shutil.copytree(SHIPPED, directory, dirs_exist_ok=True)
        # Debian's, beside its nginx.conf.
        (directory / "mime.types").write_text("types { text/html html; }\n")
        self._move_here(upstream_ports)

    # --- its configuration

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace every ``old`` in the file ``name``; fail if there is none."""
        path = self._directory / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new))

    def _move_here(self, upstream_ports: Sequence[int]) -> None:
        main, site = "nginx.conf", "conf.d/restaurant-notifications.conf"
        snippets = "snippets/restaurant-notifications"
        # Started by root, its workers would run as www-data, which may not enter our directory.
        self.edit(main, "user www-data;", "user root;" if os.geteuid() == 0 else "")
        self.edit(main, "/run/nginx.pid", str(self._directory / "nginx.pid"))
        self.edit(main, "/var/log/nginx/error.log", str(self._error_log))
        self.edit(site, "/var/log/nginx/access.log", str(self._access_log))
        self.edit(site, "/var/lib/nginx", str(self._directory))
        self.edit(site, "notifications.example.com", "localhost")
        ours = "/etc/ssl/restaurant-notifications"
        self.edit(f"{snippets}/tls.conf", f"{ours}/fullchain.pem", str(self.certificate))
        self.edit(f"{snippets}/tls.conf", f"{ours}/privkey.pem", str(self._directory / "key.pem"))
        # Two workers, and as few connections as the tests need.
        self.edit(main, "worker_processes auto;", "worker_processes 2;")
        self.edit(main, "worker_rlimit_nofile 72000;", "")
        self.edit(main, "worker_connections 65536;", "worker_connections 2048;")
        for shipped, port in ((443, self.port), (80, self.plain_port)):
            self.edit(site, f"listen {shipped} ", f"listen 127.0.0.1:{port} ")
            self.edit(site, f"listen [::]:{shipped} ", "# ")
        self._rename_instances(upstream_ports)

    def _rename_instances(self, ports: Sequence[int]) -> None:
        first, second = _SHIPPED_INSTANCES
        site = "conf.d/restaurant-notifications.conf"
        self.edit(site, f"{first}|{second}", "|".join(map(str, ports)))
        path = self._directory / "snippets/restaurant-notifications/upstreams.conf"
        text, count = re.subn(
            rf"^.*\bserver 127\.0\.0\.1:{second} .*\n", "", path.read_text(), flags=re.M
        )
        assert count == 2, "each group is expected to name both instances"
        line = re.compile(rf"^( *server 127\.0\.0\.1:){first}( .*\n)", flags=re.M)
        text, count = line.subn(lambda m: "".join(f"{m[1]}{port}{m[2]}" for port in ports), text)
        assert count == 2, "each group is expected to name both instances"
        path.write_text(text)

    def check(self) -> subprocess.CompletedProcess[str]:
        """Let nginx check the configuration, as ``nginx -t`` does."""
        return subprocess.run([*self._command, "-t"], capture_output=True, text=True, check=False)

    # --- running

    @property
    def _command(self) -> list[str]:
        return [
            self._program,
            *("-p", str(self._directory), "-c", str(self._directory / "nginx.conf")),
            *("-e", str(self._error_log)),
        ]

    @property
    def worker_pids(self) -> list[int]:
        """The workers' process ids, including workers that are shutting down."""
        assert self._process is not None, "nginx is not running"
        # Without the processes that manage the cache.
        return [pid for pid in children_of(self._process.pid) if _title(pid).startswith("worker")]

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert self._process is None, "nginx is running already"
        self._process = subprocess.Popen(
            [*self._command, "-g", "daemon off;"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self._answers, 10, lambda: f"nginx does not answer:\n{self.error_log}")

    def _answers(self) -> bool:
        return self.get("/nginx-health").ok

    def reload(self) -> None:
        """Start new workers; the old ones finish what they have open."""
        assert self._process is not None, "nginx is not running"
        before = set(self.worker_pids)
        self._process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: set(self.worker_pids) - before,
            message=lambda: f"no new workers:\n{self.error_log}",
        )

    def stop(self) -> None:
        """Stop it at once, which cuts open connections."""
        process, self._process = self._process, None
        if process is not None:
            try:
                end(process, 10)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    kill_group(process)

    # --- logs

    @property
    def error_log(self) -> str:
        return self._error_log.read_text() if self._error_log.exists() else ""

    @property
    def access_log(self) -> str:
        return self._access_log.read_text() if self._access_log.exists() else ""

    @property
    def requests_logged(self) -> list[dict[str, Any]]:
        """The access log's lines so far; nginx writes them within a second."""
        return [json.loads(line) for line in self.access_log.splitlines()]

    # --- requests

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        outside: bool = False,
        **kwargs: Any,
    ) -> requests.Response:
        """Send a request over TLS; with ``outside`` from an address that is not internal."""
        headers = dict(kwargs.pop("headers", None) or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        with requests.Session() as session:
            if outside:
                session.mount("https://", _From(OUTSIDE))
            return session.request(
                method,
                self.url + path,
                headers=headers,
                verify=str(self.certificate),
                **{"timeout": 10.0, "allow_redirects": False} | kwargs,
            )

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("GET", path, **kwargs)

    def tls(self, *protocols: str) -> ssl.SSLContext:
        """Return a client's TLS settings, offering ``protocols`` by ALPN."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


def _title(pid: int) -> str:
    """Return the title of one of nginx's processes; "" if it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().removeprefix("nginx: ")
    except FileNotFoundError:
        return ""


class _From(HTTPAdapter):
    """Connects from a given address of this machine."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(self._address, 0))
