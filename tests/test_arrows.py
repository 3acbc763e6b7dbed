"""Which room may import which other room. Imports form no cycle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.programs import REPOSITORY

#: Each room, and the rooms directly below it. A room may import those, and the rooms they may
#: import. "vocabulary" and "face" are the files directly in a package: the terms that all its rooms
#: use, and the interface for other packages.
BELOW = {
    "composition": ["runtime/cli", "api", "notifications face"],
    # One serving process.
    "runtime/cli": ["runtime", "demo"],
    "runtime": ["runtime/http", "runtime/metrics"],
    "runtime/http": ["runtime/metrics"],
    "runtime/metrics": ["runtime/settings", "notifications face"],
    "runtime/settings": ["notifications/access"],
    "demo": ["api"],
    # The REST API.
    "api": ["notifications face", "notifications/contract"],
    # How a change reaches a screen.
    "notifications face": ["notifications/entrance", "notifications/publishing"],
    "notifications/contract": ["notifications/entrance"],
    "notifications/entrance": ["notifications/access"],
    "notifications/access": ["notifications/streams"],
    "notifications/streams": ["notifications/brokers"],
    "notifications/publishing": ["notifications/brokers"],
    "notifications/brokers": ["notifications/refresh"],
    "notifications/refresh": ["notifications/redis"],
    "notifications/redis": ["notifications vocabulary"],
    "notifications vocabulary": ["waiter_service face"],
    # What happens on the floor.
    "waiter_service face": ["waiter_service/floor", "waiter_service/reading"],
    "waiter_service/floor": ["waiter_service/outbox", "waiter_service shared"],
    "waiter_service/reading": ["waiter_service shared"],
    "waiter_service/outbox": ["waiter_service/store"],
    "waiter_service shared": ["waiter_service/store"],
    "waiter_service/store": ["waiter_service vocabulary"],
    "waiter_service vocabulary": [],
}

COMPOSITION = {"app", "wsgi", "gunicorn.conf"}
FACES = {
    "notifications": {"notifications"},
    "waiter_service": {
        "waiter_service",
        "waiter_service.service",
        "waiter_service.handovers",
        "waiter_service.queries",
        "waiter_service.join_codes",
    },
}
#: Public modules that the floor uses as well, because both need the tables.
SHARED = {"waiter_service.revocations", "waiter_service.views"}
PACKAGES = ("runtime", "demo", "api", "notifications", "waiter_service")

#: Names that another program with this folder on its path may use itself.
GENERIC = {"cli", "common", "config", "health", "logs", "problems", "settings", "utils"}


def modules() -> dict[str, Path]:
    """Return the modules of the product with their files."""
    files = [REPOSITORY / f"{name}.py" for name in COMPOSITION]
    for package in PACKAGES:
        files += sorted((REPOSITORY / package).rglob("*.py"))
    return {module_name(file): file for file in files}


def module_name(file: Path) -> str:
    name = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
    return name.removesuffix(".__init__")


MODULES = modules()


def imports(module: str) -> Iterator[tuple[str, int]]:
    """Yield each import of a product module in ``module``, with its line."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if (found := name if name in MODULES else name.rpartition(".")[0]) in MODULES:
                yield found, node.lineno


def room_of(module: str) -> str:
    package, *rest = module.split(".")
    if module in COMPOSITION:
        return "composition"
    if module in SHARED:
        return f"{package} shared"
    if module in FACES.get(package, ()):
        return f"{package} face"
    is_room = MODULES[module].name == "__init__.py"
    rooms = rest if is_room else rest[:-1]
    path = "/".join((package, *rooms))
    # A room within a room, such as brokers/redis, belongs to the outer one.
    while path not in BELOW and "/" in path:
        path = path.rpartition("/")[0]
    if path in BELOW:
        return path
    return f"{package} vocabulary"


def reachable(room: str) -> set[str]:
    found = {room}
    for below in BELOW[room]:
        found |= reachable(below)
    return found


def test_rooms_form_no_cycle():
    try:
        TopologicalSorter(BELOW).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_import_points_down():
    wrong = {
        f"{MODULES[module].relative_to(REPOSITORY)}:{line} imports {imported}: "
        f"{room_of(module)} may not import {room_of(imported)}"
        for module in MODULES
        for imported, line in imports(module)
        if room_of(imported) not in reachable(room_of(module))
    }

    assert not wrong, "\n".join(sorted(wrong))


def test_imports_form_no_cycle():
    graph = {module: {imported for imported, _ in imports(module)} for module in MODULES}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_no_top_level_module_has_a_generic_name():
    at_the_top = {path.stem for path in REPOSITORY.glob("*.py")}
    at_the_top |= {path.parent.name for path in REPOSITORY.glob("*/__init__.py")}

    assert not at_the_top & GENERIC


def test_parts_of_the_load_generator_form_no_cycle():
    """Each C file includes the headers of the functions that it calls."""
    graph: dict[str, set[str]] = {}
    for file in (REPOSITORY / "benchmarks" / "loadgen").glob("*.[ch]"):
        included = re.findall(r'^#include "(\w+)\.h"$', file.read_text(), re.MULTILINE)
        graph.setdefault(file.stem, set()).update(set(included) - {file.stem})

    order = list(TopologicalSorter(graph).static_order())

    assert order[-1] == "main"
    assert graph["machine"] == set()
