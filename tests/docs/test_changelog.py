"""The changelog and the version in the code agree."""

import re

from tests.support.programs import REPOSITORY
from waiter_service import __version__

HEADINGS = re.findall(r"^## (.+)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_newest_release_of_the_changelog_is_the_version_of_the_code():
    unreleased, newest, *_ = HEADINGS
    assert unreleased == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d", newest), (
        "name the same release in CHANGELOG.md and as __version__ in waiter_service/__init__.py"
    )


def test_releases_are_listed_once_and_the_newest_first():
    releases = [
        tuple(map(int, match.groups()))
        for heading in HEADINGS
        if (match := re.match(r"\[(\d+)\.(\d+)\.(\d+)\]", heading))
    ]
    assert len(releases) == len(HEADINGS) - 1
    assert releases == sorted(set(releases), reverse=True)
