"""A database's fingerprint, which identifies it without revealing anything about it."""

from __future__ import annotations

import hashlib
import re
import socket
from pathlib import Path

from sqlalchemy.engine import URL

_LOCAL_HOSTS = {"", "localhost", "127.0.0.1", "::1"}
_SEARCH_PATH = re.compile(r"search_path\s*=\s*([^\s]+)")


def fingerprint(url: URL, schema: str | None = None) -> str:
    """Return a digest of the host, name and schema in ``url``.

    Without ``schema`` it is the schema that the URL's options name, or ``public``.

    Only the words of the URL count: two names of one host are two hosts. "localhost" counts
    as this machine, so the same URL on another machine is another database. User
    and password do not count.
    """
    if url.get_backend_name() == "sqlite":
        place = [socket.gethostname(), str(Path(str(url.database)).resolve())]
    else:
        hosts = _hosts(url)
        if schema is None:
            named = _SEARCH_PATH.search(_text(url, "options"))
            schema = named[1] if named else "public"
        # By default PostgreSQL uses the user's name as the database's.
        name = url.database or url.username or ""
        place = [*sorted(hosts), name, schema]
    return hashlib.sha256("\0".join(place).encode()).hexdigest()[:16]


def _hosts(url: URL) -> list[str]:
    """Return each ``host:port``; several may be given, for a failover."""
    named = _text(url, "host").split(",") if "host" in url.query else [url.host or ""]
    ports = (_text(url, "port") or str(url.port or 5432)).split(",")
    hosts = []
    for number, host in enumerate(named):
        port = ports[number] if number < len(ports) else ports[0]
        # SQLAlchemy writes several hosts like this: host=one:5432.
        name, separator, own_port = host.lower().rpartition(":")
        if not separator or not own_port.isdigit():
            name, own_port = host.lower(), port
        # A folder holds the sockets of PostgreSQL on this machine.
        is_local = name in _LOCAL_HOSTS or name.startswith("/")
        hosts.append(f"{socket.gethostname() if is_local else name}:{own_port}")
    return hosts


def _text(url: URL, name: str) -> str:
    value = url.query.get(name, "")
    return value if isinstance(value, str) else ",".join(value)
