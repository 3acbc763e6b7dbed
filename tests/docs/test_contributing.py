"""What CONTRIBUTING.md and the README's picture of the tree name is there."""

import re

from tests.support.documents import examples, inline_code
from tests.support.programs import REPOSITORY

DOCUMENT = REPOSITORY / "CONTRIBUTING.md"
#: Made by the first `make`, and not checked out.
MADE = {".venv", "instance/"}


def paths():
    """Return the code in the text that names a file or a folder."""
    return {
        code
        for code in inline_code(DOCUMENT)
        if re.fullmatch(r"[\w./-]+", code) and ("/" in code or re.search(r"\.\w+$", code))
        if not code.startswith("/")
    } - MADE


def test_every_path_it_names_exists():
    missing = {path for path in paths() if not (REPOSITORY / path).exists()}
    # Tests repeat this name in several folders.
    missing -= {
        path for path in missing if "/" not in path and any((REPOSITORY / "tests").rglob(path))
    }
    assert not missing


def test_each_part_that_grows_has_its_list():
    headings = re.findall(r"^### (.+)$", DOCUMENT.read_text(), re.MULTILINE)
    assert headings == [
        *("An event", "An endpoint", "A setting", "A limit", "A broker", "A migration"),
    ]
    assert len(paths()) > 50


def test_the_readmes_picture_of_the_tree_names_what_is_there():
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
