"""The application in this process, and callers of its API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from notifications.access.auth import create_token
from notifications.principal import Role
from tests.support.service_server import SECRET


def open_app(directory: Path, database_url: str, **settings: object) -> Flask:
    """Return the whole application. Call ``close_app`` at the end."""
    return create_app(
        {
            "INSTANCE_DIR": str(directory),
            "DATABASE_URL": database_url,
            "JWT_SECRET_KEY": SECRET,
            "LOG_LEVEL": "WARNING",
            **settings,
        }
    )


def close_app(app: Flask) -> None:
    """Stop what runs in ``app`` and close its connections."""
    app.extensions["serving"].stop()
    app.extensions["waiter_service"].database.dispose()


class Caller:
    """A caller of the API, with or without a token."""

    def __init__(self, app: Flask, token: str | None) -> None:
        self._client = app.test_client(use_cookies=False)
        self.token = token

    @classmethod
    def who_is(cls, app: Flask, role: str, subject: str, **claims: Any) -> Caller:
        """Return a caller with a new token."""
        with app.app_context():
            return cls(app, create_token(Role(role), subject, lifetime_seconds=60, claims=claims))

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send a request; ``options`` are those of werkzeug's test client."""
        # The same id in all: answers that must look the same are then equal byte for byte.
        headers = {"X-Request-ID": "a-test", **(options.pop("headers", None) or {})}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        return self._client.open(path, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        return self.call("POST", path, json=json, **options)

    def patch(self, path: str, json: Any, **options: Any) -> TestResponse:
        return self.call("PATCH", path, json=json, **options)
