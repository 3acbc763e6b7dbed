"""What can go wrong on the floor.

::

    WaiterServiceError
    |-- Missing                 from outside, these two look the same
    |   |-- NotFound
    |   |   |-- UnknownSession
    |   |   |-- UnknownRequest
    |   |   |-- UnknownOrder
    |   |   |-- UnknownJoinCode
    |   |   |-- UnknownJoin
    |   |   |-- UnknownWaiter
    |   |   |-- UnknownOffer
    |   |   `-- UnknownVenue
    |   `-- NotPermitted        it exists, but the actor may not act on it
    |-- JoinCodeInvalid         malformed, unknown, expired or used up: the same answer
    |-- ValidationError         one field of the input is wrong
    |   `-- UnknownStatus
    |-- Conflict                not possible in the current state
    |   |-- StatusConflict
    |   |   |-- IllegalTransition
    |   |   `-- VersionConflict
    |   |-- SessionClosedError
    |   |-- TableOccupied
    |   |-- IdTaken
    |   |-- TooManySessions
    |   |-- WaiterOffShift
    |   |-- TablesInHand
    |   |-- NothingToOffer
    |   |-- SessionsOffered
    |   |-- OfferSettled
    |   |-- TooMuchUnfinished
    |   |-- OrdersUnfinished
    |   |-- TransferRefused
    |   |-- IdempotencyKeyReused
    |   `-- IdempotencyKeyBusy
    `-- DatabaseError
        |-- DatabaseUrlInvalid
        |-- DatabaseSchemaInvalid
        |-- CreatedBeforeFork
        |-- DatabaseUnavailable
        |-- DatabaseInUse
        |-- BackupFailed
        `-- SchemaOutOfDate

Errors carry fields, never HTTP codes; messages name the thing, the rule
and, where there is one, the remedy.
"""

from __future__ import annotations

from waiter_service.errors.base import (
    WaiterServiceError,
    shown,
)
from waiter_service.errors.conflicts import (
    Conflict,
    IdempotencyKeyBusy,
    IdempotencyKeyReused,
    IdTaken,
    IllegalTransition,
    NothingToOffer,
    OfferSettled,
    OrdersUnfinished,
    SessionClosedError,
    SessionsOffered,
    StatusConflict,
    TableOccupied,
    TablesInHand,
    TooManySessions,
    TooMuchUnfinished,
    TransferRefused,
    VersionConflict,
    WaiterOffShift,
)
from waiter_service.errors.database import (
    BackupFailed,
    CreatedBeforeFork,
    DatabaseError,
    DatabaseInUse,
    DatabaseSchemaInvalid,
    DatabaseUnavailable,
    DatabaseUrlInvalid,
    SchemaOutOfDate,
)
from waiter_service.errors.invalid import (
    JoinCodeInvalid,
    UnknownStatus,
    ValidationError,
)
from waiter_service.errors.missing import (
    Missing,
    NotFound,
    NotPermitted,
    UnknownJoin,
    UnknownJoinCode,
    UnknownOffer,
    UnknownOrder,
    UnknownRequest,
    UnknownSession,
    UnknownVenue,
    UnknownWaiter,
)

__all__ = [
    "BackupFailed",
    "Conflict",
    "CreatedBeforeFork",
    "DatabaseError",
    "DatabaseInUse",
    "DatabaseSchemaInvalid",
    "DatabaseUnavailable",
    "DatabaseUrlInvalid",
    "IdTaken",
    "IdempotencyKeyBusy",
    "IdempotencyKeyReused",
    "IllegalTransition",
    "JoinCodeInvalid",
    "Missing",
    "NotFound",
    "NotPermitted",
    "NothingToOffer",
    "OfferSettled",
    "OrdersUnfinished",
    "SchemaOutOfDate",
    "SessionClosedError",
    "SessionsOffered",
    "StatusConflict",
    "TableOccupied",
    "TablesInHand",
    "TooManySessions",
    "TooMuchUnfinished",
    "TransferRefused",
    "UnknownJoin",
    "UnknownJoinCode",
    "UnknownOffer",
    "UnknownOrder",
    "UnknownRequest",
    "UnknownSession",
    "UnknownStatus",
    "UnknownVenue",
    "UnknownWaiter",
    "ValidationError",
    "VersionConflict",
    "WaiterOffShift",
    "WaiterServiceError",
    "shown",
]
