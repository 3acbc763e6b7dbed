"""The documents are true: their examples run, and their commands, settings and links exist."""

import os
import re
import subprocess
import sys

import click
import pytest

from runtime.cli import commands as cli
from runtime.settings import Settings
from tests.support.documents import (
    DOCUMENTS,
    all_examples,
    anchors,
    commands,
    examples,
    inline_code,
    links,
)
from tests.support.programs import REPOSITORY, find_program
from tests.support.service_server import SECRET, copy_sqlite
from waiter_service import changes, signals


def name(path):
    return str(path.relative_to(REPOSITORY))


with_python = pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if examples(path, "python")], ids=name
)
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=name)


def run(path, **env):
    """Run a document's Python examples as one script."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.support.run_examples", str(path)],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "LOG_LEVEL": "WARNING", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@with_python
@pytest.mark.redis
def test_every_python_example_runs(path, seeded_sqlite, tmp_path, redis_server):
    run(
        path,
        INSTANCE_DIR=str(tmp_path),
        DATABASE_URL=copy_sqlite(seeded_sqlite, tmp_path),
        JWT_SECRET_KEY=SECRET,
        # Some examples publish events themselves, which takes Redis outside the service.
        REDIS_URL=redis_server.url,
    )


@pytest.mark.redis
def test_changes_of_the_readmes_example_reach_the_screens(start_server, redis_server):
    server = start_server(REDIS_URL=redis_server.url)
    anna = server.listen_waiter("anna")
    guest = server.listen_session("session-123")

    run(REPOSITORY / "README.md", **server.env)

    assert anna.next("order_update").data["status"] == "InProgress"
    assert anna.next("session_transfer").data["waiterId"] == "ben"
    assert guest.next("order_update").data["orderId"] == "order-789"


@pytest.mark.parametrize("example", all_examples("js"), ids=str)
def test_every_javascript_example_is_valid(example, tmp_path):
    module = tmp_path / "example.mjs"
    module.write_text("\n" * (example.line - 1) + example.code)
    done = subprocess.run(
        [find_program("node"), "--check", str(module)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_example_has_a_name_that_the_tests_look_for():
    """The tests look for "python" and "js", so no example may have another name or none."""
    assert all_examples("py", "python3", "pycon", "javascript", "mjs", "jsx") == []
    for example in all_examples("", "text"):
        assert not re.search(r"^\s*(import|from) \w", example.code, re.MULTILINE), example


def test_python_guide_lists_every_signal_with_its_change():
    guide = (REPOSITORY / "docs" / "guide-python.md").read_text()
    rows = [row for row in guide.splitlines() if row.startswith("| `")]
    signal_of = {id(signal): name for name, signal in vars(signals).items()}
    for kind, signal in signals.BY_KIND.items():
        both = {f"`{signal_of[id(signal)]}`", f"`{changes.TYPES[kind].__name__}`"}
        assert any(all(each in row for each in both) for row in rows), (
            f"list {both} in docs/guide-python.md, under Hearing what happens"
        )


@each_document
def test_every_link_has_an_existing_destination(path):
    for link in links(path):
        if "://" in link or link.startswith("mailto:"):
            continue
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        assert found.exists(), f"{name(path)} links to {link}"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{name(path)} links to {link}"


@each_document
def test_every_command_exists_and_accepts_its_arguments(path):
    for words in commands(path, "flask --app app"):
        assert_accepted(words, f"{name(path)}: flask --app app {' '.join(words)}")


def assert_accepted(words, where):
    """Assert that click accepts the arguments, without running the command."""
    group = click.Group(commands=cli.COMMANDS)
    context = click.Context(group)
    command: click.Command | None = group
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command, words = command.get_command(context, words[0]), words[1:]
    assert command is not None, where
    if words == ["--help"] or isinstance(command, click.Group):
        return
    try:
        command.make_context(command.name, list(words), parent=context)
    except click.ClickException as error:
        raise AssertionError(f"{where}: {error.format_message()}") from None


@each_document
def test_every_make_target_exists(path):
    makefile = (REPOSITORY / "Makefile").read_text()
    for words in commands(path, "make "):
        targets = [word for word in words[:1] if word.isalpha()]
        assert all(f"\n{target}:" in makefile for target in targets), f"{name(path)}: make {words}"


@each_document
def test_every_setting_exists(path):
    known = Settings.variables()
    for code in inline_code(path):
        variable = code.partition("=")[0]
        if variable.startswith(("SSE_", "JWT_", "LOG_", "CORS_")) and variable.isupper():
            assert variable in known, f"{name(path)}: {variable}"
