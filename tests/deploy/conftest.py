"""nginx in front of the service, both as deployed."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.nginx_server import NginxServer
from tests.support.programs import REPOSITORY
from tests.support.service_server import ServiceServer, copy_sqlite
from tests.support.strange_instance import StrangeInstance


class HasPort(Protocol):
    """A server on a port of 127.0.0.1."""

    port: int


MakeNginx = Callable[..., NginxServer]


@pytest.fixture
def make_nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeNginx]:
    """Make nginx in front of some instances: ``make_nginx(one, two)``. Not started yet."""
    with ExitStack() as stack:

        def make(*instances: HasPort) -> NginxServer:
            directory = tmp_path_factory.mktemp("nginx")
            nginx = NginxServer(directory, [instance.port for instance in instances])
            stack.callback(nginx.stop)
            return nginx

        yield make


@pytest.fixture
def strange_instance() -> Iterator[Callable[..., StrangeInstance]]:
    """Make instances with one answer for all: ``strange_instance(503, **{"Retry-After": "9"})``."""
    made: list[StrangeInstance] = []

    def make(status: int, **headers: str) -> StrangeInstance:
        made.append(StrangeInstance(status, {"Retry-After": "7"} | headers))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def standing_server(
    seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceServer]:
    """One service, shared by the tests of a file that do not stop it."""
    directory = tmp_path_factory.mktemp("server")
    server = ServiceServer(directory, copy_sqlite(seeded_sqlite, directory))
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def standing_nginx(
    standing_server: ServiceServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NginxServer]:
    """nginx in front of ``standing_server``, shared too."""
    nginx = NginxServer(tmp_path_factory.mktemp("nginx"), [standing_server.port])
    nginx.start()
    yield nginx
    nginx.stop()


@pytest.fixture(scope="session")
def gunicorn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """gunicorn's settings, read the way gunicorn reads them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.environ", {"INSTANCE_DIR": str(tmp_path_factory.mktemp("instance"))})
        patch.setattr("sys.path", [*sys.path])  # gunicorn adds to this list
        return runpy.run_path(str(REPOSITORY / "gunicorn.conf.py"))
