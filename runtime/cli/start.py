"""How a command that cannot start says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click
from flask import Flask

from settings import SettingsError

P = ParamSpec("P")


def in_one_sentence(create_app: Callable[P, Flask]) -> Callable[P, Flask]:
    """Have ``create_app`` end a command with one sentence where a setting is wrong.

    Flask loads the application before any command of ours could catch the
    error, and ``flask --help`` would print its traceback. Any other caller
    gets the SettingsError.
    """

    @wraps(create_app)
    def create(*args: P.args, **kwargs: P.kwargs) -> Flask:
        try:
            return create_app(*args, **kwargs)
        except SettingsError as error:
            if click.get_current_context(silent=True) is None:
                raise
            sys.exit(f"Error: {error}")

    return create
