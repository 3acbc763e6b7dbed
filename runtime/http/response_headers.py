"""Headers that every answer of Flask's has, with nginx in front or without."""

from __future__ import annotations

from flask import Flask, Response


def init_app(app: Flask) -> None:
    """Have browsers take every answer of ``app`` for what it says it is."""

    @app.after_request
    def _add_headers(response: Response) -> Response:
        # What guests have written comes back in answers: never to be run as a script.
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response
