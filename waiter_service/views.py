"""What the service returns: frozen copies of rows, and the results of calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from waiter_service.actors import ActorKind
from waiter_service.inputs import OrderItem
from waiter_service.offer_outcome import OfferOutcome
from waiter_service.statuses import OrderStatus, RequestStatus, allowed_moves
from waiter_service.store.models import (
    AuditRow,
    OfferRow,
    OrderRow,
    RequestRow,
    SessionRow,
    VenueRow,
    WaiterRow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueView:
    """A restaurant of the deployment. ``time_zone`` is a name such as ``Europe/Berlin``."""

    id: str
    name: str
    time_zone: str

    @classmethod
    def of(cls, row: VenueRow) -> VenueView:
        return cls(id=row.id, name=row.name, time_zone=row.time_zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiterView:
    """A waiter, who can hold sessions."""

    id: str
    venue_id: str
    name: str
    on_shift_since: datetime | None = None

    @property
    def is_on_shift(self) -> bool:
        return self.on_shift_since is not None

    @classmethod
    def of(cls, row: WaiterRow) -> WaiterView:
        return cls(
            id=row.id, venue_id=row.venue_id, name=row.name, on_shift_since=row.on_shift_since
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session: guests at a table."""

    id: str
    venue_id: str
    table_number: int
    waiter_id: str
    version: int
    opened_at: datetime
    closed_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @classmethod
    def of(cls, row: SessionRow) -> SessionView:
        return cls(
            id=row.id,
            venue_id=row.venue_id,
            table_number=row.table_number,
            waiter_id=row.waiter_id,
            version=row.version,
            opened_at=row.opened_at,
            closed_at=row.closed_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketView:
    """The fields that requests and orders have in common.

    ``acknowledged_by`` is the id of the first staff member who took it on; a transfer
    does not change it.
    """

    id: str
    session_id: str
    note: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    completed_at: datetime | None

    def age_seconds(self, now: datetime) -> float:
        """Return how long ago it was made."""
        return (now - self.created_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView(TicketView):
    """A guest's request."""

    kind: str
    status: RequestStatus

    def allowed_moves(self, actor_kind: ActorKind) -> tuple[RequestStatus, ...]:
        """Return the statuses to which an actor of this kind may move it."""
        return allowed_moves(self.status, actor_kind)

    @classmethod
    def of(cls, row: RequestRow) -> RequestView:
        return cls(
            id=row.id,
            session_id=row.session_id,
            kind=row.kind,
            note=row.note,
            status=RequestStatus(row.status),
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
            acknowledged_at=row.acknowledged_at,
            acknowledged_by=row.acknowledged_by,
            completed_at=row.completed_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView(TicketView):
    """An order; ``item_count`` is the sum of the quantities."""

    items: tuple[OrderItem, ...]
    item_count: int
    status: OrderStatus

    def allowed_moves(self, actor_kind: ActorKind) -> tuple[OrderStatus, ...]:
        """Return the statuses to which an actor of this kind may move it."""
        return allowed_moves(self.status, actor_kind)

    @classmethod
    def of(cls, row: OrderRow) -> OrderView:
        return cls(
            id=row.id,
            session_id=row.session_id,
            items=tuple(OrderItem(line["name"], line["quantity"]) for line in row.items),
            item_count=row.item_count,
            note=row.note,
            status=OrderStatus(row.status),
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
            acknowledged_at=row.acknowledged_at,
            acknowledged_by=row.acknowledged_by,
            completed_at=row.completed_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferView:
    """An offer to hand sessions over; ``outcome`` is ``None`` while it is open."""

    id: str
    venue_id: str
    from_waiter_id: str
    to_waiter_id: str
    session_ids: tuple[str, ...]
    outcome: OfferOutcome | None
    created_at: datetime
    expires_at: datetime
    settled_at: datetime | None
    version: int

    @property
    def is_open(self) -> bool:
        return self.outcome is None

    @classmethod
    def of(cls, row: OfferRow) -> OfferView:
        return cls(
            id=row.id,
            venue_id=row.venue_id,
            from_waiter_id=row.from_waiter_id,
            to_waiter_id=row.to_waiter_id,
            session_ids=tuple(row.session_ids),
            outcome=None if row.outcome is None else OfferOutcome(row.outcome),
            created_at=row.created_at,
            expires_at=row.expires_at,
            settled_at=row.settled_at,
            version=row.version,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    """One thing that happened in a session: who did it, when, and why.

    ``action`` is the kind of the change, such as ``order_status``. The values are
    statuses; or waiters or tables, if the session changed hands or moved.
    """

    occurred_at: datetime
    actor_kind: ActorKind
    actor_id: str
    action: str
    subject_kind: str
    subject_id: str
    from_value: str | None
    to_value: str | None
    version: int
    reason: str | None

    @classmethod
    def of(cls, row: AuditRow) -> AuditView:
        return cls(
            occurred_at=row.occurred_at,
            actor_kind=ActorKind(row.actor_kind),
            actor_id=row.actor_id,
            action=row.action,
            subject_kind=row.subject_kind,
            subject_id=row.subject_id,
            from_value=row.from_value,
            to_value=row.to_value,
            version=row.version,
            reason=row.reason,
        )


@dataclass(frozen=True, slots=True)
class VenueAdded:
    """The result of adding a venue: ``created`` is ``False`` if the venue existed already."""

    created: bool
    venue: VenueView


@dataclass(frozen=True, slots=True)
class WaiterAdded:
    """The result of adding a waiter: ``created`` is ``False`` if the waiter existed already."""

    created: bool
    waiter: WaiterView


@dataclass(frozen=True, slots=True)
class ShiftUpdate:
    """The result of starting or ending a shift: ``changed`` is ``False`` if nothing changed.

    ``moved`` are the sessions that another waiter took over.
    """

    changed: bool
    waiter: WaiterView
    moved: tuple[SessionView, ...] = ()


@dataclass(frozen=True, slots=True)
class OfferUpdate:
    """The result of making or settling an offer: ``changed`` is ``False`` if nothing changed.

    ``moved`` are the sessions that went over when it was accepted.
    """

    changed: bool
    offer: OfferView
    moved: tuple[SessionView, ...] = ()

    @property
    def id(self) -> str:
        return self.offer.id


@dataclass(frozen=True, slots=True)
class SessionUpdate:
    """The result of closing, reopening or moving: ``changed`` is ``False`` if nothing changed."""

    changed: bool
    session: SessionView

    @property
    def id(self) -> str:
        return self.session.id

    @property
    def version(self) -> int:
        return self.session.version


@dataclass(frozen=True, slots=True)
class RequestCreated:
    """The result of a request: ``created`` is ``False`` if an open one of its kind was returned."""

    created: bool
    request: RequestView

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def status(self) -> RequestStatus:
        return self.request.status

    @property
    def version(self) -> int:
        return self.request.version


@dataclass(frozen=True, slots=True)
class RequestUpdate:
    """The result of setting a status: ``changed`` is ``False`` if it had that status already."""

    changed: bool
    request: RequestView

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def status(self) -> RequestStatus:
        return self.request.status

    @property
    def version(self) -> int:
        return self.request.version


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """The result of setting a status: ``changed`` is ``False`` if it had that status already."""

    changed: bool
    order: OrderView

    @property
    def id(self) -> str:
        return self.order.id

    @property
    def status(self) -> OrderStatus:
        return self.order.status

    @property
    def version(self) -> int:
        return self.order.version


@dataclass(frozen=True, slots=True)
class TransferResult:
    """The sessions that moved to ``to_waiter_id``, and those that the waiter already held."""

    to_waiter_id: str
    moved: tuple[SessionView, ...]
    already_there: tuple[SessionView, ...]

    @property
    def changed(self) -> bool:
        return bool(self.moved)
