"""What is not possible in the current state of the floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from waiter_service.errors.base import WaiterServiceError, shown


class Conflict(WaiterServiceError):
    """Not possible in the current state; nothing was changed."""


class StatusConflict(Conflict):
    """The status cannot be set as requested; the fields say which statuses can be."""

    def __init__(
        self,
        message: str,
        *,
        current: str,
        requested: str,
        allowed: Sequence[str],
        version: int,
    ) -> None:
        super().__init__(message)
        self.current = current
        self.requested = requested
        self.allowed = tuple(allowed)
        self.version = version


class IllegalTransition(StatusConflict):
    """This actor may not move it from ``current`` to ``requested``."""

    def __init__(
        self, *, current: str, requested: str, allowed: Sequence[str], version: int
    ) -> None:
        where_to = f"allowed: {', '.join(allowed)}" if allowed else "nothing is allowed from here"
        super().__init__(
            f"cannot move from {current} to {requested}; {where_to}",
            current=current,
            requested=requested,
            allowed=allowed,
            version=version,
        )


class VersionConflict(StatusConflict):
    """It changed after the caller read it: read it again, then decide."""

    def __init__(
        self,
        *,
        expected: int,
        actual: int,
        current: str,
        requested: str,
        allowed: Sequence[str],
    ) -> None:
        super().__init__(
            f"version {expected} was expected, but it is {actual} by now ({current})",
            current=current,
            requested=requested,
            allowed=allowed,
            version=actual,
        )
        self.expected = expected
        self.actual = actual


class SessionClosedError(Conflict):
    """The table's session has ended; a new one must be opened."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {session_id} is closed")
        self.session_id = session_id


class TableOccupied(Conflict):
    """A table holds one open session at a time; close that one first."""

    def __init__(self, table_number: int, session_id: str | None) -> None:
        super().__init__(
            f"table {table_number} is occupied by session {session_id}; close that session first"
            if session_id
            else f"table {table_number} is occupied by guests of another waiter"
        )
        self.table_number = table_number
        self.session_id = session_id


class IdTaken(Conflict):
    """The id asked for belongs to something else already."""

    def __init__(self, thing: str, thing_id: str) -> None:
        super().__init__(f"the {thing} id {thing_id} is taken")
        self.thing = thing
        self.thing_id = thing_id


class TooManySessions(Conflict):
    """The waiter already has ``most`` sessions on the floor; see ``HouseRules``."""

    def __init__(self, waiter_id: str, most: int) -> None:
        super().__init__(
            f"waiter {waiter_id} may have {most} tables on the floor at most; close some first"
        )
        self.waiter_id = waiter_id
        self.most = most


class WaiterOffShift(Conflict):
    """The waiter is off shift, so no table can be given to them."""

    def __init__(self, waiter_id: str) -> None:
        super().__init__(f"waiter {waiter_id} is off shift; start the shift first")
        self.waiter_id = waiter_id


class TablesInHand(Conflict):
    """A shift can only end once its waiter's tables are closed or handed over.

    ``tables`` maps the id of each session on the waiter's floor to its table number.
    """

    def __init__(self, waiter_id: str, tables: Mapping[str, int]) -> None:
        named = [f"{table} ({session_id})" for session_id, table in tables.items()]
        more = f" and {len(named) - 10} more" if len(named) > 10 else ""
        super().__init__(
            f"waiter {waiter_id} still has tables in hand: {', '.join(named[:10])}{more}; "
            "close them, or say who takes them over"
        )
        self.waiter_id = waiter_id
        self.tables = dict(tables)


class NothingToOffer(Conflict):
    """The waiter has no table that could be offered."""

    def __init__(self, waiter_id: str) -> None:
        super().__init__(f"waiter {waiter_id} has no tables to offer")
        self.waiter_id = waiter_id


class SessionsOffered(Conflict):
    """Sessions are in one open offer at most; withdraw that one first."""

    def __init__(self, offer_id: str, session_ids: Sequence[str]) -> None:
        named = ", ".join(session_ids[:10])
        more = f" and {len(session_ids) - 10} more" if len(session_ids) > 10 else ""
        super().__init__(
            f"the open offer {offer_id} already has {named}{more}; withdraw that offer first"
        )
        self.offer_id = offer_id
        self.session_ids = tuple(session_ids)


class OfferSettled(Conflict):
    """The offer has ended otherwise: ``outcome`` says how."""

    def __init__(self, offer_id: str, outcome: str) -> None:
        super().__init__(f"offer {offer_id} was settled before: {outcome}")
        self.offer_id = offer_id
        self.outcome = outcome


class TooMuchUnfinished(Conflict):
    """The guests of a session reached a limit on unfinished things; see ``HouseRules``.

    ``what`` is "requests", "orders" or "order lines"; ``most`` is the limit.
    """

    def __init__(self, session_id: str, what: str, most: int) -> None:
        super().__init__(
            f"session {session_id} may have {most} unfinished {what} at most; "
            "finish or cancel some first"
        )
        self.session_id = session_id
        self.what = what
        self.most = most


class OrdersUnfinished(Conflict):
    """A session with unfinished orders can only be closed by force."""

    def __init__(self, session_id: str, order_ids: Sequence[str]) -> None:
        named = ", ".join(order_ids[:10])
        more = f" and {len(order_ids) - 10} more" if len(order_ids) > 10 else ""
        super().__init__(
            f"session {session_id} has unfinished orders: {named}{more}; "
            "finish them, or close it by force and say why"
        )
        self.session_id = session_id
        self.order_ids = tuple(order_ids)


class TransferRefused(Conflict):
    """Some sessions cannot be transferred, so none was: a transfer is all or nothing.

    ``reasons`` maps the id of each such session to the reason.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        named = ", ".join(f"{shown(key)} ({why})" for key, why in reasons.items())
        super().__init__(f"nothing was transferred, because of {named}")
        self.reasons = dict(reasons)

    @property
    def session_ids(self) -> tuple[str, ...]:
        return tuple(self.reasons)


class IdempotencyKeyReused(Conflict):
    """The key was used before, for a different request."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the idempotency key {shown(key)} was used for a different request")
        self.key = key


class IdempotencyKeyBusy(Conflict):
    """The first request with this key has not finished; try again shortly."""

    def __init__(self, key: str) -> None:
        super().__init__(f"a request with the idempotency key {shown(key)} is still under way")
        self.key = key
