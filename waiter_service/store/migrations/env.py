"""Runs the migrations on the connection that ``schema.upgrade`` hands over."""

from __future__ import annotations

from alembic import context

from waiter_service.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # A migration asks for it where neither Alembic nor SQLAlchemy names it for us:
    # op.get_context().version_table_schema.
    version_table_schema=context.config.attributes.get("schema"),
    # SQLite cannot alter most things in place: Alembic copies the table then.
    render_as_batch=True,
    # SQLite's DDL is transactional too, now that we open transactions ourselves.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
