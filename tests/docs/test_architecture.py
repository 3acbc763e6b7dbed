"""The architecture page agrees with the code."""

from __future__ import annotations

import ast
import re

from notifications.streams.stream import CloseReason
from tests.support.documents import examples, inline_code
from tests.support.programs import REPOSITORY
from tests.test_arrows import BELOW, MODULES

PAGE = REPOSITORY / "docs" / "architecture.md"
TEXT = PAGE.read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under ``heading``, without its header."""
    section = re.split(r"^## ", TEXT.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def expected_reaction(reason: CloseReason) -> str:
    if reason.reconnect is None:
        return "nothing"
    if not reason.reconnect:
        return "stay away"
    bounds = reason.value.reconnect_ms
    return "come back" if bounds is None else f"come back in {bounds[0]} to {bounds[1]} ms"


def members() -> dict[str, set[str]]:
    """Return the classes of the product, each with the names of its methods."""
    found: dict[str, set[str]] = {}
    for path in MODULES.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(
                    each.name for each in node.body if isinstance(each, ast.FunctionDef)
                )
    return found


def test_every_named_path_exists() -> None:
    paths = [code for code in inline_code(PAGE) if re.fullmatch(r"[\w./]+\.(py|md)", code)]

    assert len(paths) > 100, "the test finds too few paths in the page"
    assert [path for path in paths if not (REPOSITORY / path).is_file()] == []


def test_every_file_in_a_drawing_is_listed_below_it() -> None:
    for section in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]:
        drawing = section.partition("```text")[2].partition("```")[0]
        listed = {path.rpartition("/")[2] for path in re.findall(r"^- `(.+)`$", section, re.M)}
        drawn = set(re.findall(r"\b\w+\.py\b", drawing))
        assert drawn == listed, section.splitlines()[0]


def test_every_count_equals_the_length_of_its_list() -> None:
    sections = re.split(r"^Files to hold in mind: ", TEXT, flags=re.MULTILINE)[1:]

    assert len(sections) == 6
    for section in sections:
        listed = re.findall(r"^- `(.+)`$", re.split(r"^#", section, flags=re.M)[0], re.M)
        assert len(listed) == len(set(listed)) == int(section.split()[0].strip(",")), listed


def test_every_named_method_exists() -> None:
    classes = members()
    texts = [*inline_code(PAGE), *(example.code for example in examples(PAGE, "text"))]
    named = re.findall(r"\b([A-Z]\w+)\.([a-z_]\w+)", "\n".join(texts))

    assert named
    assert [
        f"{name}.{member}" for name, member in named if member not in classes.get(name, set())
    ] == []


def test_rooms_are_those_of_the_import_rules() -> None:
    assert [(names_in(room), names_in(below)) for room, below, _ in rows("Rooms")] == [
        ([room], below) for room, below in BELOW.items()
    ]


def test_listed_ends_of_a_stream_are_the_close_reasons() -> None:
    assert [row[:3] for row in rows("Every end of a stream")] == [
        [f"`{reason.name}`", f"`{reason.code}`", expected_reaction(reason)]
        for reason in CloseReason
    ]


def test_every_meeting_names_the_file_that_decides() -> None:
    for *_, decides in rows("Who wins when two meet"):
        assert any("/" in path for path in names_in(decides)), decides
