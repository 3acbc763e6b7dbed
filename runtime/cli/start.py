"""How a command starts: with the service's log format, or with one sentence if it cannot."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click
from flask import Flask
from flask.cli import FlaskGroup

from runtime import logs
from runtime.settings import SettingsError

P = ParamSpec("P")


def as_command(create_app: Callable[P, Flask]) -> Callable[P, Flask]:
    """Prepare the process if Flask's command line calls ``create_app``.

    The command then logs as the service does. A wrong setting ends it with one sentence: Flask
    loads the application before any command of ours could catch the error, and
    ``flask --help`` would print its traceback. In any other process logging stays as it is,
    and the caller gets the SettingsError.
    """

    @wraps(create_app)
    def create(*args: P.args, **kwargs: P.kwargs) -> Flask:
        context = click.get_current_context(silent=True)
        if context is None or not isinstance(context.find_root().command, FlaskGroup):
            return create_app(*args, **kwargs)
        try:
            app = create_app(*args, **kwargs)
        except SettingsError as error:
            sys.exit(f"Error: {error}")
        logs.configure_from(app.extensions["settings"])
        return app

    return create
