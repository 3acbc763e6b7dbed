"""What tells one database from another, without telling anything of it."""

from __future__ import annotations

import hashlib
import re
import socket
from pathlib import Path

from sqlalchemy.engine import URL

_LOCAL_HOSTS = {"", "localhost", "127.0.0.1", "::1"}
_SEARCH_PATH = re.compile(r"search_path\s*=\s*([^\s]+)")


def fingerprint(url: URL, schema: str | None = None) -> str:
    """Return a digest of the host, name and schema that ``url`` leads to.

    Without ``schema`` it is the one that the URL's options name, or ``public``.

    By the words of the URL: two names of one host are two hosts. A database
    on this machine is that machine's, so the same URL on another machine leads
    to another database. User and password do not count.
    """
    if url.get_backend_name() == "sqlite":
        place = [socket.gethostname(), str(Path(str(url.database)).resolve())]
    else:
        hosts = _hosts(url)
        if schema is None:
            named = _SEARCH_PATH.search(_text(url, "options"))
            schema = named[1] if named else "public"
        # What PostgreSQL takes for the name of a database is the user's, by default.
        name = url.database or url.username or ""
        place = [*sorted(hosts), name, schema]
    return hashlib.sha256("\0".join(place).encode()).hexdigest()[:16]


def _hosts(url: URL) -> list[str]:
    """Return each ``host:port``; there may be several, for a failover."""
    named = _text(url, "host").split(",") if "host" in url.query else [url.host or ""]
    ports = (_text(url, "port") or str(url.port or 5432)).split(",")
    hosts = []
    for number, host in enumerate(named):
        port = ports[number] if number < len(ports) else ports[0]
        # As SQLAlchemy spells several: host=one:5432.
        name, separator, own_port = host.lower().rpartition(":")
        if not separator or not own_port.isdigit():
            name, own_port = host.lower(), port
        # A folder holds the sockets of this machine's PostgreSQL.
        is_local = name in _LOCAL_HOSTS or name.startswith("/")
        hosts.append(f"{socket.gethostname() if is_local else name}:{own_port}")
    return hosts


def _text(url: URL, name: str) -> str:
    value = url.query.get(name, "")
    return value if isinstance(value, str) else ",".join(value)
