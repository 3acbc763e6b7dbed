"""The service below a path of its host: ``https://example.com/restaurant/api/...``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def init_app(app: Flask) -> None:
    """Have ``app`` follow ``X-Forwarded-Prefix``, whether or not the proxy strips that path.

    It is believed from any peer: it changes only the addresses in the answer to that
    request (``Location``, a cookie's path, the demo's links), which is
    never cached. One that is not a plain path is ignored.
    """
    wsgi_app: WsgiApp = app.wsgi_app

    def below_prefix(
        environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        prefix = environ.get("HTTP_X_FORWARDED_PREFIX", "").rstrip("/")
        if prefix and _PREFIX.fullmatch(prefix):
            environ["SCRIPT_NAME"] = prefix
            path = environ.get("PATH_INFO", "")
            if path.startswith(f"{prefix}/"):
                environ["PATH_INFO"] = path[len(prefix) :]
        return wsgi_app(environ, start_response)

    app.wsgi_app = below_prefix  # type: ignore[method-assign]
