"""The tables.

No relationships: every read says in one statement what it needs, so nothing
is loaded behind anyone's back. Change a table and its migration together; a
test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from waiter_service.inputs import (
    MAX_ACTOR_ID_CHARS,
    MAX_ID_CHARS,
    MAX_KIND_CHARS,
    MAX_NAME_CHARS,
    MAX_NOTE_CHARS,
)

STATUS_CHARS = 16


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment: ``timestamptz`` on PostgreSQL, naive UTC text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite counts up by itself only in a column spelled INTEGER.
CountedKey = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    # Named, since a migration cannot drop what has no name.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class WaiterRow(Base):
    """Somebody who can hold sessions."""

    __tablename__ = "waiters"

    id: Mapped[str] = mapped_column(String(MAX_ID_CHARS), primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME_CHARS))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SessionRow(Base):
    """Guests at a table, from sitting down to leaving.

    Its row is the lock of all that happens in the session: whoever changes
    anything in it locks it first.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index(
            "uq_sessions_open_table",
            "table_number",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_sessions_waiter_id_settled_at", "waiter_id", "settled_at"),
    )

    id: Mapped[str] = mapped_column(String(MAX_ID_CHARS), primary_key=True)
    table_number: Mapped[int]
    waiter_id: Mapped[str] = mapped_column(ForeignKey("waiters.id"))
    version: Mapped[int]
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When it was closed and nothing in it was left to do: until then it is on its
    # waiter's floor, found by this, however many sessions the waiter has had.
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TicketColumns:
    """What a request and an order have in common."""

    id: Mapped[str] = mapped_column(String(MAX_ID_CHARS), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"))
    note: Mapped[str | None] = mapped_column(String(MAX_NOTE_CHARS))
    status: Mapped[str] = mapped_column(String(STATUS_CHARS))
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(MAX_ACTOR_ID_CHARS))
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When it reached a status from which nobody moves it on. What is unfinished is
    # found by it, however much has been finished; the status itself is in no index,
    # so that a change of status changes none.
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RequestRow(TicketColumns, Base):
    """A guest asks for something: water, the bill."""

    __tablename__ = "requests"
    __table_args__ = (
        Index("ix_requests_session_id_finished_at", "session_id", "finished_at", "id"),
    )

    kind: Mapped[str] = mapped_column(String(MAX_KIND_CHARS))
    # What kinds are compared by; see ``inputs.kind_key``.
    kind_key: Mapped[str] = mapped_column(String(MAX_KIND_CHARS), server_default=text("''"))


class OrderRow(TicketColumns, Base):
    """What a table has ordered in one go."""

    __tablename__ = "orders"
    __table_args__ = (Index("ix_orders_session_id_finished_at", "session_id", "finished_at", "id"),)

    # One document: the lines are written once and always read together. A
    # table of their own pays off when somebody wants to count dishes.
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    item_count: Mapped[int]


class AuditRow(Base):
    """Who did what, when, and why; written with the change and never changed."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject_kind_subject_id", "subject_kind", "subject_id"),)

    id: Mapped[int] = mapped_column(CountedKey, primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str] = mapped_column(String(MAX_ACTOR_ID_CHARS))
    # The change's kind, as in ``changes.py``.
    action: Mapped[str] = mapped_column(String(32))
    subject_kind: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[str] = mapped_column(String(MAX_ID_CHARS))
    session_id: Mapped[str] = mapped_column(String(MAX_ID_CHARS))
    # Statuses, or waiters where a session was opened or transferred.
    from_value: Mapped[str | None] = mapped_column(String(MAX_ID_CHARS))
    to_value: Mapped[str | None] = mapped_column(String(MAX_ID_CHARS))
    version: Mapped[int]
    reason: Mapped[str | None] = mapped_column(String(MAX_NOTE_CHARS))


class OutboxRow(Base):
    """A change committed but not yet announced; see ``outbox.py``.

    ``id`` is the change's own and outlives the database; ``sequence`` orders
    the rows of a session and starts anew in a new database.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_session_id_sequence", "session_id", "sequence"),
        {"sqlite_autoincrement": True},
    )

    sequence: Mapped[int] = mapped_column(CountedKey, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    session_id: Mapped[str] = mapped_column(String(MAX_ID_CHARS))
    kind: Mapped[str] = mapped_column(String(32))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claimed_by: Mapped[str | None] = mapped_column(String(32))
    # How often the claim was renewed; see ``standstill.py``. The default is for processes of
    # the release before this one, which also writes the last column; nothing here reads it.
    renewals: Mapped[int] = mapped_column(server_default=text("0"))
    attempts: Mapped[int]
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IdempotencyRow(Base):
    """One retried-safe call of the API; see ``idempotency.py``."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    actor: Mapped[str] = mapped_column(String(MAX_ACTOR_ID_CHARS + 16), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    operation: Mapped[str] = mapped_column(String(300))
    request_hash: Mapped[str] = mapped_column(String(64))
    response_status: Mapped[int | None]
    response_body: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class JoinCodeRow(Base):
    """A session's join code, which is not in it; see ``join_codes.py``."""

    __tablename__ = "join_codes"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(32))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # How many have joined by it.
    guests: Mapped[int]


class RevocationRow(Base):
    """Access that was withdrawn; see ``revocations.py``."""

    __tablename__ = "revocations"
    __table_args__ = (
        Index("ix_revocations_revoked_at", "revoked_at"),
        Index("ix_revocations_seen_at", "seen_at"),
    )

    id: Mapped[int] = mapped_column(CountedKey, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    # A token's jti, a session's or a waiter's id.
    subject: Mapped[str] = mapped_column(String(255))
    # By the clock of whoever revoked: for people, and for the release before this one.
    revoked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # By the clock of the first serving process that saw it.
    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_closing: Mapped[bool]


class WriteProbeRow(Base):
    """One row that is changed now and then, to see whether anything can be."""

    __tablename__ = "write_probe"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    writes: Mapped[int] = mapped_column(BigInteger)


class MarkRow(Base):
    """A random mark, by which an older database is recognised; see ``marks.py``."""

    __tablename__ = "marks"

    id: Mapped[int] = mapped_column(CountedKey, primary_key=True)
    mark: Mapped[str] = mapped_column(String(32), unique=True)
