"""The statuses of requests and orders: their spelling, their labels, their legal moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Generic, Self, TypeVar

from waiter_service.actors import ActorKind
from waiter_service.errors import UnknownStatus


class Status(StrEnum):
    """What requests' and orders' statuses have in common.

    The value is the spelling on the wire and in the database.
    """

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the status that ``value`` spells, in any case.

        ``InProgress``, ``in_progress``, ``in-progress`` and ``In Progress``
        are the same status.

        Raises:
            UnknownStatus: it spells no status; the error lists the legal ones.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            status: Self | None = _by_spelling(cls).get(_spelling(value))
            if status is not None:
                return status
        raise UnknownStatus(value, tuple(status.value for status in cls))

    @property
    def label(self) -> str:
        """The status as people read it: ``In progress``."""
        words = "".join(f" {c.lower()}" if c.isupper() else c for c in self.value)
        return words.strip().capitalize()

    @property
    def is_final(self) -> bool:
        """No actor can move it to another status."""
        return not allowed_moves(self, ActorKind.MANAGER)


class RequestStatus(Status):
    """The status of a guest's request."""

    NEW = "New"
    ACKNOWLEDGED = "Acknowledged"
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    ON_HOLD = "OnHold"
    CANCELLED = "Cancelled"
    DONE = "Done"

    @property
    def is_open(self) -> bool:
        """The guest is still waiting, so a second request of the same kind adds nothing."""
        return self in _OPEN_REQUESTS


class OrderStatus(Status):
    """The status of an order."""

    NEW = "New"
    ACKNOWLEDGED = "Acknowledged"
    IN_PROGRESS = "InProgress"
    COMPLETE = "Complete"
    DELIVERED = "Delivered"
    PAID = "Paid"
    CANCELLED = "Cancelled"
    REJECTED = "Rejected"

    @property
    def is_open(self) -> bool:
        """Staff still have work to do: cook it, serve it, take the payment."""
        return not self.is_final


_SEPARATORS = str.maketrans("", "", " _-")
S = TypeVar("S", bound=Status)


def _spelling(text: str) -> str:
    return text.lower().translate(_SEPARATORS)


@cache
def _by_spelling(kind: type[Status]) -> Mapping[str, Any]:
    return {_spelling(status.value): status for status in kind}


@dataclass(frozen=True, slots=True)
class _Moves(Generic[S]):
    """The statuses that one status may move to, by actor; staff means waiters and managers."""

    staff: tuple[S, ...] = ()
    guest: tuple[S, ...] = ()
    manager: tuple[S, ...] = ()
    kitchen: tuple[S, ...] = ()

    def of(self, kind: ActorKind) -> tuple[S, ...]:
        if kind is ActorKind.GUEST:
            return self.guest
        if kind is ActorKind.WAITER:
            return self.staff
        if kind is ActorKind.KITCHEN:
            return self.kitchen
        if kind is ActorKind.DISPLAY:
            return ()
        return self.staff + self.manager


_R = RequestStatus
_OPEN_REQUESTS = frozenset({_R.NEW, _R.ACKNOWLEDGED, _R.IN_PROGRESS, _R.ON_HOLD})
_REQUEST_MOVES: Mapping[RequestStatus, _Moves[RequestStatus]] = MappingProxyType(
    {
        _R.NEW: _Moves(
            staff=(_R.ACKNOWLEDGED, _R.IN_PROGRESS, _R.COMPLETED, _R.ON_HOLD, _R.CANCELLED),
            guest=(_R.CANCELLED,),
        ),
        _R.ACKNOWLEDGED: _Moves(
            # New is the undo, for a button pressed by mistake.
            staff=(_R.IN_PROGRESS, _R.COMPLETED, _R.ON_HOLD, _R.CANCELLED, _R.NEW),
            guest=(_R.CANCELLED,),
        ),
        _R.IN_PROGRESS: _Moves(
            # Acknowledged is the undo. Once staff have begun, the guest cannot cancel.
            staff=(_R.COMPLETED, _R.ON_HOLD, _R.CANCELLED, _R.ACKNOWLEDGED),
        ),
        _R.ON_HOLD: _Moves(
            staff=(_R.ACKNOWLEDGED, _R.IN_PROGRESS, _R.COMPLETED, _R.CANCELLED),
            guest=(_R.CANCELLED,),
        ),
        _R.COMPLETED: _Moves(
            # InProgress is the undo. The guest or staff confirm with Done.
            staff=(_R.DONE, _R.IN_PROGRESS),
            guest=(_R.DONE,),
        ),
        _R.DONE: _Moves(),
        _R.CANCELLED: _Moves(),
    }
)

_O = OrderStatus
_ORDER_MOVES: Mapping[OrderStatus, _Moves[OrderStatus]] = MappingProxyType(
    {
        _O.NEW: _Moves(
            staff=(_O.ACKNOWLEDGED, _O.IN_PROGRESS, _O.REJECTED, _O.CANCELLED),
            guest=(_O.CANCELLED,),
        ),
        _O.ACKNOWLEDGED: _Moves(
            staff=(_O.IN_PROGRESS, _O.REJECTED, _O.CANCELLED, _O.NEW),  # New: the undo
            kitchen=(_O.IN_PROGRESS,),
        ),
        _O.IN_PROGRESS: _Moves(
            staff=(_O.COMPLETE, _O.CANCELLED, _O.ACKNOWLEDGED),  # Acknowledged: the undo
            kitchen=(_O.COMPLETE, _O.ACKNOWLEDGED),
        ),
        _O.COMPLETE: _Moves(
            staff=(_O.DELIVERED, _O.IN_PROGRESS),  # InProgress: recalled to the kitchen
            manager=(_O.CANCELLED,),
            kitchen=(_O.IN_PROGRESS,),
        ),
        _O.DELIVERED: _Moves(
            staff=(_O.PAID, _O.COMPLETE),  # Complete: the undo
            manager=(_O.CANCELLED,),
        ),
        _O.PAID: _Moves(),
        _O.CANCELLED: _Moves(),
        _O.REJECTED: _Moves(),
    }
)


def allowed_moves(status: S, actor_kind: ActorKind) -> tuple[S, ...]:
    """Return the statuses an actor of this kind may move ``status`` to; ``()`` when final for them.

    The usual moves come first; the undo and the manager's exceptions come last.
    """
    moves: Mapping[S, _Moves[S]]
    # Two tables, chosen by type: RequestStatus.NEW equals OrderStatus.NEW, as
    # strings do, so one table would mix them up.
    moves = _REQUEST_MOVES if isinstance(status, RequestStatus) else _ORDER_MOVES  # type: ignore[assignment]
    return moves[status].of(ActorKind(actor_kind))
