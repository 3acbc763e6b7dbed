"""The product's code uses every word of the glossary, and none of the words it replaces."""

import re
from functools import cache

import pytest

from tests.support.programs import REPOSITORY

GLOSSARY = REPOSITORY / "docs" / "glossary.md"
PACKAGES = ("api", "demo", "notifications", "runtime", "waiter_service")

WORDS = re.findall(r"^\| \*\*([a-z ]+)\*\* \|", GLOSSARY.read_text(), re.MULTILINE)
REPLACED = re.findall(
    r"^\| ([a-z]+) \|", GLOSSARY.read_text().partition("## Words we do not use")[2], re.MULTILINE
)[1:]

# Places where another vocabulary demands a word: HTTP's request target, the role in a token,
# the argument of a thread, Alembic's metadata.
DEMANDED = {
    "notifications/entrance/plain_request.py": r"(?i:target)",
    "notifications/principal.py": r"CUSTOMER = \"customer\"",
    "notifications/contract/asyncapi.py": r"`role` is customer",
    "runtime/cli/commands.py": r"\"customer\"",
}
ANYWHERE = r"Role\.CUSTOMER|Thread\(target=|target_metadata"


@cache
def code() -> dict[str, str]:
    """Return the text of each Python file of the product, by its path."""
    files = [*REPOSITORY.glob("*.py")]
    files += [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")]
    return {str(path.relative_to(REPOSITORY)): path.read_text() for path in files}


def occurrences(word: str, text: str) -> list[str]:
    """Return the lines of ``text`` that contain ``word``, also with an ending or within a name."""
    word = word.replace(" ", "[ _-]?")
    in_words = rf"(?i:(?<![a-z]){word}(?:e?s|e?d|r|rs|ing)?(?![a-z]))"
    in_camel_case = rf"{word.capitalize()}(?=[A-Z])|(?<=[a-z]){word.capitalize()}(?![a-z])"
    pattern = re.compile(f"{in_words}|{in_camel_case}")
    return [line for line in text.splitlines() if pattern.search(line)]


def test_words_of_the_glossary_are_found():
    assert {"channel", "relay", "join code"} <= set(WORDS)
    assert {"target", "customer", "debounce"} <= set(REPLACED)
    assert len(WORDS) == len(set(WORDS))


@pytest.mark.parametrize("word", WORDS)
def test_code_uses_the_word(word):
    assert any(occurrences(word, text) for text in code().values())


@pytest.mark.parametrize("word", REPLACED)
def test_code_does_not_use_the_replaced_word(word):
    found = []
    for path, text in code().items():
        demanded = re.compile(f"{ANYWHERE}|{DEMANDED.get(path, '(?!)')}")
        found += [
            f"{path}: {line.strip()}"
            for line in occurrences(word, text)
            if not demanded.search(line)
        ]
    assert found == []


@pytest.mark.parametrize(
    "line", ["_TARGET.fullmatch", "per target.", "RefreshTarget()", "targets", "a_target_id"]
)
def test_word_is_found_within_a_name(line):
    assert occurrences("target", line) == [line]
