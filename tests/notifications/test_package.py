"""The public names of the package, and the cost of importing it."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import pytest

import notifications
from tests.support.documents import all_examples
from tests.support.programs import REPOSITORY

#: Names that other programs rely on. Removing one is a breaking change.
PUBLIC = {
    "AffectedData",
    "Batch",
    "Broker",
    "BrokerUnavailable",
    "CacheRefreshService",
    "FloorListener",
    "HistoryLimits",
    "InvalidNotification",
    "MemoryBroker",
    "NotServing",
    "NotificationError",
    "NotificationService",
    "Priority",
    "RefreshStats",
}


def test_public_names_are_those_that_programs_rely_on() -> None:
    assert set(notifications.__all__) == PUBLIC
    assert set(dir(notifications)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_name_is_the_object_that_type_checkers_see(name: str) -> None:
    tree = ast.parse(inspect.getsource(notifications))
    [module] = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]
    }
    assert getattr(notifications, name).__module__ == module


def test_unknown_name_raises_attribute_error() -> None:
    name = "desserts"
    with pytest.raises(AttributeError, match="'notifications' has no attribute 'desserts'"):
        getattr(notifications, name)


def test_importing_the_package_imports_no_other_module() -> None:
    source = (
        "import __future__, importlib, sys, typing; before = {*sys.modules}; import notifications; "
        "print({*sys.modules} - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.strip() == "{'notifications'}"


def test_python_guide_lists_every_public_name() -> None:
    guide = (REPOSITORY / "docs" / "guide-python.md").read_text()
    assert [name for name in notifications.__all__ if f"`{name}`" not in guide] == []


def test_documents_import_public_names_only() -> None:
    imported = [
        node.module
        for example in all_examples("python")
        for node in ast.walk(ast.parse(example.code))
        if isinstance(node, ast.ImportFrom) and node.module
    ]
    ours = {module for module in imported if module.partition(".")[0] == "notifications"}
    assert ours <= {"notifications", "notifications.errors"}
