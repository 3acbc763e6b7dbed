"""The examples, links and commands in the documents."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.support.programs import REPOSITORY

DOCUMENTS = (
    REPOSITORY / "README.md",
    REPOSITORY / "CHANGELOG.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "benchmarks" / "README.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
)

_SHELLS = ("", "sh", "bash", "console", "shell")


@dataclass(frozen=True)
class Example:
    """A fenced block; ``line`` is the number of its first line of code, from 1."""

    path: Path
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(REPOSITORY)}:{self.line}"


def examples(path: Path, *languages: str) -> list[Example]:
    """Return the document's code blocks in these languages; "" means blocks without one."""
    return [
        Example(path, token.map[0] + 1 + (token.type == "fence"), language, token.content)
        for token in MarkdownIt().parse(path.read_text())
        if token.type in ("fence", "code_block") and token.map
        if (language := (token.info.split() or [""])[0]) in languages
    ]


def all_examples(*languages: str) -> list[Example]:
    """Return the blocks in these languages of all documents."""
    return [example for path in DOCUMENTS for example in examples(path, *languages)]


def links(path: Path) -> list[str]:
    """Return the targets of the document's links and images."""
    return [
        str(token.attrs.get("href") or token.attrs.get("src"))
        for token in _inline(path)
        if token.type in ("link_open", "image")
    ]


def anchors(path: Path) -> set[str]:
    """Return the anchors of the document's headings, spelled as GitHub does."""
    tokens = MarkdownIt().parse(path.read_text())
    headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def inline_code(path: Path) -> list[str]:
    """Return the document's `code spans`."""
    return [token.content for token in _inline(path) if token.type == "code_inline"]


def _inline(path: Path) -> Iterator[Token]:
    for token in MarkdownIt().enable("table").parse(path.read_text()):
        yield from token.children or ()


def commands(path: Path, program: str) -> list[list[str]]:
    """Return the arguments of each command of ``program`` in the document."""
    shell = "\n".join(example.code for example in examples(path, *_SHELLS)).replace("\\\n", " ")
    texts = [*shell.splitlines(), *(code.replace("\n", " ") for code in inline_code(path))]
    return [
        shlex.split(rest)
        for text in texts
        # A command ends at the end of its line, or where the shell continues it.
        for rest in re.findall(rf"{re.escape(program)}((?:\"[^\"]*\"|[^\"|;&)#>])*)", text)
    ]
