"""What happens on a restaurant's floor: sessions, requests, orders, and who may do what.

Usable from any Python process::

    from waiter_service import WaiterService

    service = WaiterService.from_env()
    service.update_order_status("ord-1", "InProgress")

Knows nothing of Flask, of notifications, or of how anything reaches a screen.
The errors a caller may handle are here, all of them in ``waiter_service.errors``;
signals are in ``waiter_service.signals``.
"""

from waiter_service import changes, errors, signals
from waiter_service.actors import ALL_VENUES, MAIN_VENUE, SYSTEM, Actor, ActorKind
from waiter_service.changes import (
    Change,
    HandoverOffered,
    HandoverSettled,
    OfferChange,
    OrderStatusChange,
    RequestStatusChange,
    SessionChange,
    SessionClosed,
    SessionMoved,
    SessionOpened,
    SessionReopened,
    SessionTransfer,
    ShiftChange,
)
from waiter_service.errors import (
    Conflict,
    DatabaseError,
    DatabaseUnavailable,
    IdTaken,
    IllegalTransition,
    Missing,
    NothingToOffer,
    OfferSettled,
    OrdersUnfinished,
    SessionClosedError,
    SessionsOffered,
    TableOccupied,
    TablesInHand,
    TooManySessions,
    TooMuchUnfinished,
    TransferRefused,
    UnknownOffer,
    UnknownStatus,
    UnknownVenue,
    UnknownWaiter,
    ValidationError,
    VersionConflict,
    WaiterOffShift,
    WaiterServiceError,
)
from waiter_service.inputs import OrderItem
from waiter_service.offer_outcome import OfferOutcome
from waiter_service.queries import FloorQueries
from waiter_service.reading.analytics import Analytics, Figures
from waiter_service.reading.lists import AuditPage, SessionPage, VenuePage, WaiterPage
from waiter_service.reading.offer_list import OfferPage
from waiter_service.reading.snapshots import (
    KitchenOrder,
    SessionSnapshot,
    VenueFloor,
    VenueKitchen,
    WaiterFloor,
)
from waiter_service.reading.ticket_lists import OrderPage, RequestPage
from waiter_service.rules import HouseRules
from waiter_service.service import WaiterService
from waiter_service.statuses import OrderStatus, RequestStatus, allowed_moves
from waiter_service.store.database import Database
from waiter_service.store.idempotency import IdempotencyStore, StoredAnswer
from waiter_service.transfer_cause import TransferCause
from waiter_service.views import (
    AuditView,
    OfferUpdate,
    OfferView,
    OrderUpdate,
    OrderView,
    RequestCreated,
    RequestUpdate,
    RequestView,
    SessionUpdate,
    SessionView,
    ShiftUpdate,
    TransferResult,
    VenueAdded,
    VenueView,
    WaiterAdded,
    WaiterView,
)

#: The release. ``CHANGELOG.md`` tells what each release brought.
__version__ = "1.0.0"

__all__ = [
    "ALL_VENUES",
    "MAIN_VENUE",
    "SYSTEM",
    "Actor",
    "ActorKind",
    "Analytics",
    "AuditPage",
    "AuditView",
    "Change",
    "Conflict",
    "Database",
    "DatabaseError",
    "DatabaseUnavailable",
    "Figures",
    "FloorQueries",
    "HandoverOffered",
    "HandoverSettled",
    "HouseRules",
    "IdTaken",
    "IdempotencyStore",
    "IllegalTransition",
    "KitchenOrder",
    "Missing",
    "NothingToOffer",
    "OfferChange",
    "OfferOutcome",
    "OfferPage",
    "OfferSettled",
    "OfferUpdate",
    "OfferView",
    "OrderItem",
    "OrderPage",
    "OrderStatus",
    "OrderStatusChange",
    "OrderUpdate",
    "OrderView",
    "OrdersUnfinished",
    "RequestCreated",
    "RequestPage",
    "RequestStatus",
    "RequestStatusChange",
    "RequestUpdate",
    "RequestView",
    "SessionChange",
    "SessionClosed",
    "SessionClosedError",
    "SessionMoved",
    "SessionOpened",
    "SessionPage",
    "SessionReopened",
    "SessionSnapshot",
    "SessionTransfer",
    "SessionUpdate",
    "SessionView",
    "SessionsOffered",
    "ShiftChange",
    "ShiftUpdate",
    "StoredAnswer",
    "TableOccupied",
    "TablesInHand",
    "TooManySessions",
    "TooMuchUnfinished",
    "TransferCause",
    "TransferRefused",
    "TransferResult",
    "UnknownOffer",
    "UnknownStatus",
    "UnknownVenue",
    "UnknownWaiter",
    "ValidationError",
    "VenueAdded",
    "VenueFloor",
    "VenueKitchen",
    "VenuePage",
    "VenueView",
    "VersionConflict",
    "WaiterAdded",
    "WaiterFloor",
    "WaiterOffShift",
    "WaiterPage",
    "WaiterService",
    "WaiterServiceError",
    "WaiterView",
    "allowed_moves",
    "changes",
    "errors",
    "signals",
]
