"""Every refusal has a code, and a row in the document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from notifications import errors
from notifications.entrance.problem_types import TYPES, ProblemCode, path_of
from tests.support.programs import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "problems.md"
TABLE = REPOSITORY / "notifications" / "entrance" / "problem_types.py"
NGINX = REPOSITORY / "deploy" / "nginx"


def sources() -> Iterator[Path]:
    yield from REPOSITORY.glob("*.py")
    for package in ("api", "demo", "notifications", "runtime", "waiter_service"):
        yield from (REPOSITORY / package).rglob("*.py")


def causes(base: type[Any]) -> Iterator[str]:
    for each in base.__subclasses__():
        yield each.cause
        yield from causes(each)


def codes_in_use() -> set[str]:
    """Return the codes in refusals of the service and of the shipped nginx."""
    text = "\n".join(path.read_text() for path in sources() if path != TABLE)
    used = {ProblemCode[name].value for name in re.findall(r"ProblemCode\.([A-Z_]+)", text)}
    used |= {*causes(errors.AccessError), *causes(errors.StreamRefused)}
    # The limits of unfinished things, named by the error of the floor.
    used |= {
        f"too_many_{what.replace(' ', '_')}"
        for what in re.findall(r"TooMuchUnfinished\([^\"()]*\"([a-z ]+)\"", text)
    }
    proxied = "\n".join(path.read_text() for path in NGINX.rglob("*.conf"))
    used |= set(re.findall(r'"code":"(\w+)"', proxied))
    [passed_on] = re.findall(r"\$refusal_code_by_status \{(.*?)\}", proxied, re.DOTALL)
    used |= set(re.findall(r" (\w+);", passed_on))
    return used


def test_codes_in_use_are_exactly_those_in_the_table() -> None:
    assert codes_in_use() == {code.value for code in ProblemCode}
    assert set(TYPES) == set(ProblemCode)


def test_document_lists_every_code_as_the_table_does() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{code}` | {', '.join(map(str, kind.statuses)) or 'any other'} "
        f"| {kind.meaning} | {kind.remedy} |"
        for code, kind in TYPES.items()
    ]


def test_nginx_gives_each_problem_its_page_and_title() -> None:
    for path in NGINX.rglob("*.conf"):
        for line in re.findall(r"return \d+ '(\{\"type\".*?\})'", path.read_text()):
            [code] = re.findall(r'"code":"(\$?\w+)"', line)
            assert f'"type":"{path_of(code)}"' in line
            if not code.startswith("$"):
                assert f'"title":"{TYPES[ProblemCode(code)].title}"' in line
