"""Whether this process may listen where it is told to, and what to do if it may not.

``python -m runtime.http.port`` says so before anything else is done: exit code 1, and one
sentence.
"""

from __future__ import annotations

import errno
import socket
import sys
import time

from runtime.settings import Settings, SettingsError

#: Seconds between two attempts, while the program that had the port may be ending.
_RETRY_SECONDS = 0.1


def require_port(host: str, port: int, *, patience_seconds: float = 0.0) -> None:
    """Check that ``host:port`` can be listened on; wait for a port that is in use.

    Raises:
        SettingsError: it cannot; says why and what to do.
    """
    give_up_at = time.monotonic() + patience_seconds
    while (error := _obstacle(host, port)) is not None:
        if error.errno != errno.EADDRINUSE or time.monotonic() >= give_up_at:
            raise SettingsError(_sentence(host, port, error))
        time.sleep(_RETRY_SECONDS)


def _obstacle(host: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        # As gunicorn does: connections that have ended must not keep the port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            return error
    return None


def _sentence(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {port} of {host} is in use; stop the program that listens there, "
                f"or choose another port: PORT={_another(port)}"
            )
        case errno.EACCES:
            return (
                f"port {port} of {host} may not be used by this user; "
                "choose one from 1024 on: PORT=8000"
            )
        case errno.EADDRNOTAVAIL | socket.EAI_NONAME | socket.EAI_AGAIN:
            return f"HOST is {host!r}, but must be an address or a name of this machine"
    return f"cannot listen on port {port} of {host}: {error.strerror}"


def _another(port: int) -> int:
    return port + 1 if port < 65_535 else port - 1


if __name__ == "__main__":
    try:
        settings = Settings.load()
        require_port(settings.host, settings.port)
    except SettingsError as error:
        sys.exit(f"The service cannot start: {error}")
