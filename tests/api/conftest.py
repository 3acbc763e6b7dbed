"""The API in this process, on a copy of the demo restaurant, and its callers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from flask import Flask

from tests.api.calling import Caller, close_app, open_app
from tests.support.service_server import copy_sqlite
from waiter_service import WaiterService


@pytest.fixture
def app(tmp_path: Path, seeded_sqlite: Path) -> Iterator[Flask]:
    """The whole application: anna has tables 5 and 7, ben table 9; req-1 and ord-1 at 7."""
    app = open_app(tmp_path, copy_sqlite(seeded_sqlite, tmp_path))
    yield app
    close_app(app)


@pytest.fixture
def service(app: Flask) -> WaiterService:
    """The waiter service behind the API, to prepare what a test needs."""
    service: WaiterService = app.extensions["waiter_service"]
    return service


@pytest.fixture
def caller(app: Flask) -> Callable[..., Caller]:
    """Make callers: ``caller("waiter", "anna")``."""
    return partial(Caller.who_is, app)


@pytest.fixture
def anonymous(app: Flask) -> Caller:
    """A caller without a token."""
    return Caller(app, None)


@pytest.fixture
def anna(caller: Callable[..., Caller]) -> Caller:
    return caller("waiter", "anna")


@pytest.fixture
def ben(caller: Callable[..., Caller]) -> Caller:
    return caller("waiter", "ben")


@pytest.fixture
def manager(caller: Callable[..., Caller]) -> Caller:
    return caller("manager", "mia")


@pytest.fixture
def guest(caller: Callable[..., Caller]) -> Caller:
    """The guest at table 7."""
    return caller("customer", "table-7")
