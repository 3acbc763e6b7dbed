"""External validators of OpenAPI and AsyncAPI documents."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV32SpecValidator

from tests.support.programs import REPOSITORY, find_program

_NPM = REPOSITORY / "tests" / "browser"
_RULES = REPOSITORY / "tests" / "docs" / "spectral.yaml"
# Much longer than either takes, which is a few seconds.
_TIMEOUT_SECONDS = 60

_PARSE = """\
import asyncapi from "@asyncapi/parser";
import { readFileSync } from "node:fs";
const found = await new asyncapi.Parser().validate(readFileSync(0, "utf8"));
console.log(JSON.stringify(found));
"""


def complaints_of_openapi_spec_validator(document: dict[str, Any]) -> list[str]:
    """Return the errors in an OpenAPI 3.2 document."""
    return [str(error.message) for error in OpenAPIV32SpecValidator(document).iter_errors()]


def complaints_of_spectral(document: dict[str, Any], directory: Path) -> list[str]:
    """Return Spectral's findings in an OpenAPI or AsyncAPI document, by our rules."""
    path = directory / "document.json"
    path.write_text(json.dumps(document))
    command = ["lint", "--quiet", "--format", "json", "--fail-severity", "hint"]
    return _said(_node("@stoplight/spectral-cli/dist/index.js", *command, "-r", _RULES, path))


def complaints_of_asyncapi_parser(document: dict[str, Any]) -> list[str]:
    """Return the findings of AsyncAPI's own parser, including hints."""
    _require_package("@asyncapi/parser")
    command = [find_program("node"), "--input-type=module", "--eval", _PARSE]
    return _said(_run(command, json.dumps(document)))


def _node(script: str, *arguments: object) -> str:
    _require_package(script.split("/dist/", maxsplit=1)[0])
    return _run([find_program("node"), str(_NPM / "node_modules" / script), *map(str, arguments)])


def _run(command: list[str], text: str | None = None) -> str:
    done = subprocess.run(
        command, input=text, cwd=_NPM, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS
    )
    # Spectral exits with 1 if it found something, with 2 if it could not check.
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout, done.stderr
    return done.stdout


def _said(output: str) -> list[str]:
    found = json.loads(output)
    return [
        f"{'.'.join(map(str, each['path']))}: {each['code']}: {each['message']}" for each in found
    ]


def _require_package(name: str) -> None:
    if not (_NPM / "node_modules" / name).is_dir():
        pytest.skip(f"npm package {name} is missing; make test-npm installs it")
