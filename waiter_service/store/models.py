"""The tables.

Without relationships: every read names all that it needs in one statement, so nothing is
loaded implicitly. Change a table and its migration together; a test compares them.
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
MAX_TIME_ZONE_CHARS = 64


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


# SQLite numbers rows by itself only in a column spelled INTEGER.
CountedKey = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    # Named, because a migration cannot drop a constraint without a name.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _venue_id() -> Mapped[str]:
    """Return a column for the venue.

    The default is for processes of the previous release, which know no venues. There is no
    foreign key: venues are never deleted, and SQLite cannot add one to an existing table.
    """
    return mapped_column(String(MAX_ID_CHARS), server_default=text("'main'"))


def _partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of the rows for which ``where`` holds."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _indexes_of_tickets(table: str) -> tuple[Index, ...]:
    """Return the indexes of requests or orders.

    The status is in no index until it is final, so that no other change of status changes
    an index.
    """
    unfinished, finished = "finished_at IS NULL", "finished_at IS NOT NULL"
    return (
        Index(f"ix_{table}_session_id_finished_at", "session_id", "finished_at", "id"),
        # For the lists of all venues, and of one.
        _partial_index(f"ix_{table}_unfinished", "created_at", "id", where=unfinished),
        _partial_index(
            f"ix_{table}_venue_id_unfinished", "venue_id", "created_at", "id", where=unfinished
        ),
        _partial_index(f"ix_{table}_finished", "status", "created_at", "id", where=finished),
        _partial_index(
            f"ix_{table}_venue_id_finished",
            "venue_id",
            "status",
            "created_at",
            "id",
            where=finished,
        ),
    )


class VenueRow(Base):
    """A restaurant of the deployment. A single restaurant is ``main``, which always exists."""

    __tablename__ = "venues"

    id: Mapped[str] = mapped_column(String(MAX_ID_CHARS), primary_key=True)
    name: Mapped[str] = mapped_column(String(MAX_NAME_CHARS))
    time_zone: Mapped[str] = mapped_column(String(MAX_TIME_ZONE_CHARS))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # When the first shift started. Until then the venue does not use shifts, and every
    # waiter can be given tables.
    shifts_since: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WaiterRow(Base):
    """A waiter, who can hold sessions. A waiter never changes venue."""

    __tablename__ = "waiters"
    __table_args__ = (Index("ix_waiters_venue_id", "venue_id", "id"),)

    id: Mapped[str] = mapped_column(String(MAX_ID_CHARS), primary_key=True)
    venue_id: Mapped[str] = _venue_id()
    name: Mapped[str] = mapped_column(String(MAX_NAME_CHARS))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Null: off shift.
    on_shift_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Rises with each start and end of a shift.
    version: Mapped[int] = mapped_column(server_default=text("1"))


class SessionRow(Base):
    """A session: guests at a table, from sitting down to leaving.

    Its row is the lock for everything that happens in the session: every change in the
    session locks it first.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        _partial_index(
            "uq_sessions_open_table",
            "venue_id",
            "table_number",
            where="closed_at IS NULL",
            unique=True,
        ),
        Index("ix_sessions_waiter_id_settled_at", "waiter_id", "settled_at"),
        # For the lists, newest first. Closing a session changes none of these.
        Index("ix_sessions_opened_at", "opened_at", "id"),
        Index("ix_sessions_venue_id_opened_at", "venue_id", "opened_at", "id"),
        Index("ix_sessions_waiter_id_opened_at", "waiter_id", "opened_at", "id"),
        Index("ix_sessions_venue_id_table_number", "venue_id", "table_number", "opened_at", "id"),
        # The floor of a venue, however many sessions it had.
        _partial_index("ix_sessions_unsettled", "venue_id", "id", where="settled_at IS NULL"),
    )

    id: Mapped[str] = mapped_column(String(MAX_ID_CHARS), primary_key=True)
    # The venue of its waiter. It never changes.
    venue_id: Mapped[str] = _venue_id()
    table_number: Mapped[int]
    waiter_id: Mapped[str] = mapped_column(ForeignKey("waiters.id"))
    version: Mapped[int]
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When the session was closed and nothing in it was unfinished. Until then it is on its
    # waiter's floor. The floor is found by this column, however many sessions the waiter had.
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TicketColumns:
    """The columns that requests and orders have in common."""

    id: Mapped[str] = mapped_column(String(MAX_ID_CHARS), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"))
    # A copy of the session's, for the lists of a venue.
    venue_id: Mapped[str] = _venue_id()
    note: Mapped[str | None] = mapped_column(String(MAX_NOTE_CHARS))
    status: Mapped[str] = mapped_column(String(STATUS_CHARS))
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(MAX_ACTOR_ID_CHARS))
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When it reached a final status. Unfinished rows are found by this column, however many
    # are finished.
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RequestRow(TicketColumns, Base):
    """A guest's request: water, the bill."""

    __tablename__ = "requests"
    __table_args__ = _indexes_of_tickets("requests")

    kind: Mapped[str] = mapped_column(String(MAX_KIND_CHARS))
    # The key by which kinds are compared; see ``inputs.kind_key``.
    kind_key: Mapped[str] = mapped_column(String(MAX_KIND_CHARS), server_default=text("''"))


class OrderRow(TicketColumns, Base):
    """An order of a table."""

    __tablename__ = "orders"
    __table_args__ = _indexes_of_tickets("orders")

    # One document: the lines are written once and always read together. A separate table
    # pays off when dishes are to be counted.
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    item_count: Mapped[int]


class AuditRow(Base):
    """The audit: who did what, when, and why. Written with the change and never changed."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_subject_kind_subject_id", "subject_kind", "subject_id"),
        Index("ix_audit_session_id", "session_id", "id"),
    )

    id: Mapped[int] = mapped_column(CountedKey, primary_key=True)
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str] = mapped_column(String(MAX_ACTOR_ID_CHARS))
    # The change's kind, as in ``changes.py``.
    action: Mapped[str] = mapped_column(String(32))
    subject_kind: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[str] = mapped_column(String(MAX_ID_CHARS))
    venue_id: Mapped[str] = _venue_id()
    # Empty for what is not about one session: a shift, an offer.
    session_id: Mapped[str] = mapped_column(String(MAX_ID_CHARS))
    # Statuses; or waiters, if a session was opened or transferred.
    from_value: Mapped[str | None] = mapped_column(String(MAX_ID_CHARS))
    to_value: Mapped[str | None] = mapped_column(String(MAX_ID_CHARS))
    version: Mapped[int]
    reason: Mapped[str | None] = mapped_column(String(MAX_NOTE_CHARS))


class OutboxRow(Base):
    """A change that is committed but not yet announced; see ``outbox/rows.py``.

    ``id`` is the change's own, also in a restored database. ``sequence`` orders the rows of a
    subject and starts again in a new database. The subject is what the change is about and what
    its writer has locked: a session, or a waiter or an offer.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_session_id_sequence", "subject_id", "sequence"),
        {"sqlite_autoincrement": True},
    )

    sequence: Mapped[int] = mapped_column(CountedKey, primary_key=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    venue_id: Mapped[str] = _venue_id()
    # Processes of the previous release know the column by its old name.
    subject_id: Mapped[str] = mapped_column("session_id", String(MAX_ID_CHARS), key="subject_id")
    kind: Mapped[str] = mapped_column(String(32))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claimed_by: Mapped[str | None] = mapped_column(String(32))
    # How often the claim was renewed; see ``outbox/standstill.py``. The default is for processes
    # of the previous release, which also write the last column; nothing here reads it.
    renewals: Mapped[int] = mapped_column(server_default=text("0"))
    attempts: Mapped[int]
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IdempotencyRow(Base):
    """One idempotent call of the API; see ``idempotency.py``."""

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
    """What a session's join code is derived from; see ``join_codes.py``."""

    __tablename__ = "join_codes"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(32))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # How many guests have joined by it.
    guests: Mapped[int]


class OfferRow(Base):
    """An offer to hand sessions over to a colleague, who has not accepted yet or has decided."""

    __tablename__ = "offers"
    __table_args__ = (
        Index("ix_offers_venue_id", "venue_id", "id"),
        Index("ix_offers_settled_at_expires_at", "settled_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(MAX_ID_CHARS), primary_key=True)
    venue_id: Mapped[str] = mapped_column(String(MAX_ID_CHARS))
    from_waiter_id: Mapped[str] = mapped_column(ForeignKey("waiters.id"))
    to_waiter_id: Mapped[str] = mapped_column(ForeignKey("waiters.id"))
    session_ids: Mapped[list[str]] = mapped_column(JSON)
    # Null while it is open; see ``offer_outcome.py``.
    outcome: Mapped[str | None] = mapped_column(String(16))
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RevocationRow(Base):
    """A revocation; see ``revocations.py``."""

    __tablename__ = "revocations"
    __table_args__ = (
        Index("ix_revocations_revoked_at", "revoked_at"),
        Index("ix_revocations_seen_at", "seen_at"),
    )

    id: Mapped[int] = mapped_column(CountedKey, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    # A token's jti, or the id of a session, a waiter, a manager or a service, or the venue of
    # a kitchen or a display.
    subject: Mapped[str] = mapped_column(String(255))
    # Of a manager or a service, or "*" for all venues. Elsewhere it means nothing.
    venue_id: Mapped[str] = _venue_id()
    # By the clock of the process that revoked: for people, and for the previous release.
    revoked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # By the clock of the first serving process that saw it.
    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_closing: Mapped[bool]


class WriteProbeRow(Base):
    """One row that is changed periodically, to find out whether changes can be made."""

    __tablename__ = "write_probe"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    writes: Mapped[int] = mapped_column(BigInteger)


class MarkRow(Base):
    """A random mark, by which an older database is recognised; see ``marks.py``."""

    __tablename__ = "marks"

    id: Mapped[int] = mapped_column(CountedKey, primary_key=True)
    mark: Mapped[str] = mapped_column(String(32), unique=True)
