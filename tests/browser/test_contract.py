"""The browser client's lists and types equal the server's."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from notifications.events.cache_refresh import AffectedData
from notifications.events.catalogue import EVENTS
from tests.support.programs import REPOSITORY
from waiter_service import OrderStatus, RequestStatus

STATIC = REPOSITORY / "notifications" / "static"


def quoted(text: str) -> list[str]:
    return re.findall(r'"(\w+)"', text)


def test_the_client_listens_for_every_event_type() -> None:
    source = (STATIC / "notifications.js").read_text()
    lists = re.findall(r"const \w+_TYPES = \[(.*?)\];", source, re.DOTALL)
    missing = {each.event_type for each in EVENTS} ^ set(quoted("".join(lists)))
    assert not missing, f"run `python -m notifications.contract`: {missing} differ"


@pytest.mark.parametrize("enum", [RequestStatus, OrderStatus, AffectedData])
def test_the_types_include_every_value(
    enum: type[RequestStatus | OrderStatus | AffectedData],
) -> None:
    types = (STATIC / "notifications.d.ts").read_text()
    declared = re.search(rf"export type {enum.__name__} =(.*?);", types, re.DOTALL)
    assert declared is not None
    assert quoted(declared[1]) == [each.value for each in enum]


def test_the_types_check_an_app_in_typescript(
    node: str, npm_package: Callable[[str], Path]
) -> None:
    compiler = npm_package("typescript") / "bin" / "tsc"
    options = ["--noEmit", "--strict", "--target", "es2022", "--moduleResolution", "bundler"]
    app = Path(__file__).parent / "typed_app.ts"
    done = subprocess.run(
        [node, compiler, *options, "--module", "esnext", app],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
