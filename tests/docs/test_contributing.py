"""Every path in CONTRIBUTING.md and in the README's tree exists."""

import re

from tests.support.documents import examples, inline_code
from tests.support.programs import REPOSITORY

DOCUMENT = REPOSITORY / "CONTRIBUTING.md"
#: Created by the first `make`, and not part of the checkout.
MADE = {".venv", "instance/"}


def paths():
    """Return the paths of files and folders that the text names as code."""
    return {
        code
        for code in inline_code(DOCUMENT)
        if re.fullmatch(r"[\w./-]+", code) and ("/" in code or re.search(r"\.\w+$", code))
        if not code.startswith("/")
    } - MADE


def test_every_named_path_exists():
    missing = {path for path in paths() if not (REPOSITORY / path).exists()}
    # Tests use this file name in several folders.
    missing -= {
        path for path in missing if "/" not in path and any((REPOSITORY / "tests").rglob(path))
    }
    assert not missing


def test_each_kind_of_addition_has_its_list():
    headings = re.findall(r"^### (.+)$", DOCUMENT.read_text(), re.MULTILINE)
    assert headings == [
        *("An event", "An endpoint", "A setting", "A limit", "A broker", "A migration"),
    ]
    assert len(paths()) > 50


def test_every_path_in_the_tree_of_the_readme_exists():
    (tree,) = [
        each.code
        for each in examples(REPOSITORY / "README.md", "")
        if each.code.startswith("app.py ")
    ]
    shown = re.findall(r"^(  )?(\S+(?:  \S+)*)(?:   |$)", tree, re.MULTILINE)
    assert len(shown) > 10
    package = ""
    for indent, names in shown:
        package = package if indent else names
        for name in names.split():
            place = f"{package}{name}" if indent else name
            assert (REPOSITORY / place).exists(), place
