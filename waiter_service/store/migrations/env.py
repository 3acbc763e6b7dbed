"""Runs the migrations on the connection that ``schema.upgrade`` hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from sqlalchemy.types import TypeDecorator

from waiter_service.store.models import Base


def render_item(_kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Return how a new migration writes a type of ours: as the plain type in the database.

    A migration must stay what it is when a type of ours changes.
    """
    return f"sa.{item.impl_instance!r}" if isinstance(item, TypeDecorator) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # A migration asks for it where neither Alembic nor SQLAlchemy names it for us:
    # op.get_context().version_table_schema.
    version_table_schema=context.config.attributes.get("schema"),
    # SQLite cannot alter most things in place: Alembic copies the table then.
    render_as_batch=True,
    render_item=render_item,
    # SQLite's DDL is transactional too, now that we open transactions ourselves.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
