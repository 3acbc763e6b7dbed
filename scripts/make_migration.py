"""Write the next migration: what the models have and the migrations lack.

``make migration NAME="Notes of waiters"`` runs this. It builds a SQLite database in memory with
the migrations there are, and compares it with ``waiter_service/store/models.py``.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine

from waiter_service.store import schema

_ALEMBIC_COMMENT = re.compile(r"^ *# ###.*\n", re.MULTILINE)
_UPGRADE_OR_DOWNGRADE = re.compile(r"^(def \w+grade\(\) -> None:\n)((?: .*\n|\n)+)", re.MULTILINE)
_NO_CHANGE = "def upgrade() -> None:\n    pass\n"


def make_migration(name: str) -> Path:
    """Write the migration ``name`` with the next number, formatted; return its file.

    The file does nothing where models and migrations agree, and is for the author to fill in.

    Raises:
        ValueError: ``name`` makes no file name.
    """
    if not re.fullmatch(r"[A-Za-z]\w*( \w+)*", name, re.ASCII):
        raise ValueError(f'{name!r} is not a name of words such as "Notes of waiters"')
    number = f"{int(max(schema.known_revisions())) + 1:04}"
    config = schema.alembic_config()
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        schema.upgrade(connection)
        config.attributes["connection"] = connection
        command.revision(config, f"{name[0].upper()}{name[1:]}.", rev_id=number, autogenerate=True)
    engine.dispose()
    (file,) = (schema.MIGRATIONS / "versions").glob(f"{number}_*.py")
    file.write_text(_in_any_schema(_ALEMBIC_COMMENT.sub("", file.read_text())))
    for arguments in (["check", "--fix-only"], ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, "--quiet", file], check=True)
    return file


def _in_any_schema(text: str) -> str:
    """Have each function alter the tables where ``DATABASE_SCHEMA`` says they are."""

    def name_it(function: re.Match[str]) -> str:
        head, body = function.groups()
        if "schema=None" not in body:
            return head + body
        body = body.replace("schema=None", "schema=schema")
        return f"{head}    schema = op.get_context().version_table_schema\n{body}"

    return _UPGRADE_OR_DOWNGRADE.sub(name_it, text)


def main() -> int:
    """Do what the command line asks; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the next migration.")
    parser.add_argument("name", help='what it brings, in words: "Notes of waiters"')
    try:
        file = make_migration(parser.parse_args().name)
    except ValueError as error:
        parser.error(str(error))
    if _NO_CHANGE in file.read_text():
        print("Models and migrations agree: fill in what it is to do.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
