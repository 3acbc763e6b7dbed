"""The database's URL: from the environment, and in the form that SQLAlchemy needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import exc
from sqlalchemy.engine import URL, make_url

from waiter_service.errors import DatabaseSchemaInvalid, DatabaseUrlInvalid, shown

DEFAULT_SQLITE_PATH = Path(__file__).resolve().parents[2] / "instance" / "restaurant.db"

# Names that need no quotes in SQL, and capitals, whose case is kept. PostgreSQL silently
# cuts off longer names.
_SCHEMA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def url_from(environ: Mapping[str, str]) -> str | None:
    """Return the URL that the environment sets; None is the default."""
    if url := environ.get("DATABASE_URL"):
        return url
    if instance_dir := environ.get("INSTANCE_DIR"):
        # As runtime/settings reads it: a leading "~" is the home directory.
        path = Path(instance_dir).expanduser().resolve() / "restaurant.db"
        # Not built as a string: in a URL, "?" would begin a query and "%" an escape.
        return URL.create("sqlite", database=str(path)).render_as_string()
    return None


def usable_url(url: str | None) -> URL:
    """Return ``url`` in the form that SQLAlchemy needs, whichever driver it names.

    Raises:
        DatabaseUrlInvalid: see ``Database``. Shows no part of the URL, which may hold a password.
    """
    if not url:
        return URL.create("sqlite", database=str(DEFAULT_SQLITE_PATH))
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError) as error:  # a port that is no number, for one
        raise DatabaseUrlInvalid(
            "DATABASE_URL is not a URL; use sqlite:////path/to/file.db or "
            "postgresql://user:password@host/name"
        ) from error
    backend = parsed.drivername.partition("+")[0]
    # Many hosting services still write "postgres", which SQLAlchemy no longer accepts.
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise DatabaseUrlInvalid(f"{backend} is not supported; use sqlite or postgresql")
    if not parsed.database or parsed.database == ":memory:" or "mode" in parsed.query:
        raise DatabaseUrlInvalid(
            "SQLite in memory cannot be shared; name a file: sqlite:////path/to/file.db"
        )
    if parsed.query:
        raise DatabaseUrlInvalid(
            f"a sqlite URL takes no ?{next(iter(parsed.query))}=; name the file alone, "
            "and spell a question mark in its path as %3F"
        )
    return parsed.set(drivername="sqlite")


def usable_schema(schema: str | None, url: URL) -> str | None:
    """Return the schema for the tables; None leaves it to PostgreSQL.

    Raises:
        DatabaseSchemaInvalid: it is not a valid name, or the database has no schemas.
    """
    if not schema:
        return None
    if url.get_backend_name() == "sqlite":
        raise DatabaseSchemaInvalid(
            "DATABASE_SCHEMA is set, but SQLite has no schemas: unset it, or set DATABASE_URL "
            "to a postgresql:// URL"
        )
    if not _SCHEMA_NAME.fullmatch(schema):
        raise DatabaseSchemaInvalid(
            f"DATABASE_SCHEMA is {shown(schema)}, but must be up to 63 letters, digits and "
            "underscores, the first of them no digit"
        )
    if schema.lower().startswith("pg_") or schema.lower() == "information_schema":
        raise DatabaseSchemaInvalid(
            f"DATABASE_SCHEMA is {shown(schema)}, but PostgreSQL keeps such names for itself: "
            "choose another, such as restaurant"
        )
    return schema
