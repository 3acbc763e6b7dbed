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
    |   |   `-- UnknownWaiter
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

from collections.abc import Mapping, Sequence


def shown(value: object) -> str:
    """Return ``value`` as a message or a log line may show it: ASCII, at most 80 characters."""
    shown = ascii(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


class WaiterServiceError(Exception):
    """Base of every error that the waiter service raises on purpose."""


class Missing(WaiterServiceError):
    """It does not exist, or this actor may not see it.

    Show ``public_message`` to callers from outside. It is the same for an unknown id
    and for a forbidden one, so callers cannot probe for ids.
    """

    def __init__(self, thing: str, thing_id: object, message: str) -> None:
        super().__init__(message)
        self.thing = thing
        self.thing_id = thing_id

    @property
    def public_message(self) -> str:
        return f"no such {self.thing}: {shown(self.thing_id)}"


class NotFound(Missing):
    """It does not exist."""

    thing = "thing"

    def __init__(self, thing_id: object) -> None:
        super().__init__(self.thing, thing_id, f"no such {self.thing}: {shown(thing_id)}")


class UnknownSession(NotFound):
    thing = "session"


class UnknownRequest(NotFound):
    thing = "request"


class UnknownOrder(NotFound):
    thing = "order"


class UnknownJoinCode(NotFound):
    """The session has no valid code; a new one can be made."""

    thing = "join code"


class UnknownJoin(NotFound):
    thing = "guest"


class UnknownWaiter(NotFound):
    thing = "waiter"


class NotPermitted(Missing):
    """It exists, but this actor may not act on it.

    ``str()`` says so, for the log; show ``public_message`` to callers from outside.
    """

    def __init__(self, thing: str, thing_id: object, actor: object) -> None:
        super().__init__(thing, thing_id, f"{actor} may not do this to {thing} {shown(thing_id)}")
        self.actor = actor


class JoinCodeInvalid(WaiterServiceError):
    """The code opens no table. The error does not say why: that would reveal which codes exist."""

    def __init__(self) -> None:
        super().__init__("this code is not valid, or no longer; ask for another one")


class ValidationError(WaiterServiceError):
    """A field has an invalid value; ``message`` completes "<field>: ..."."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class UnknownStatus(ValidationError):
    """Not a status of this kind of thing."""

    def __init__(self, value: object, legal: Sequence[str]) -> None:
        super().__init__("status", f"{shown(value)} is none of {', '.join(legal)}")
        self.value = value
        self.legal = tuple(legal)


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


class DatabaseError(WaiterServiceError):
    """The database cannot be used; the message says what to do."""


class DatabaseUrlInvalid(DatabaseError):
    """DATABASE_URL does not name a database that this service can use."""


class DatabaseSchemaInvalid(DatabaseError):
    """DATABASE_SCHEMA does not name a schema that can hold the tables."""


class CreatedBeforeFork(DatabaseError):
    """The service was created in a parent process and is used in a fork of it.

    ``made_by`` and ``used_by`` are the ids of the two processes.
    """

    def __init__(self, database: str, *, made_by: int, used_by: int) -> None:
        super().__init__(
            f"the service on the database {database} was made by process {made_by}, and process "
            f"{used_by} is a fork of it, which cannot use it; make a WaiterService (or Database) "
            "in each process, after the fork: in gunicorn's post_fork, in Celery's "
            "worker_process_init, or in the function that multiprocessing calls"
        )
        self.made_by = made_by
        self.used_by = used_by


class DatabaseUnavailable(DatabaseError):
    """The database does not answer, or was locked for too long."""


class DatabaseInUse(DatabaseError):
    """The database cannot be replaced while a process has it open; ``pid`` if it is known."""

    def __init__(self, path: object, pid: int | None) -> None:
        who = "a process" if pid is None else f"process {pid}"
        super().__init__(
            f"{path} is in use: {who} has it open; stop the service and whatever else uses it first"
        )
        self.pid = pid


class BackupFailed(DatabaseError):
    """The database could not be backed up or restored."""


class SchemaOutOfDate(DatabaseError):
    """The database has another schema than this code expects."""

    def __init__(self, database: str, *, found: str | None, expected: str) -> None:
        state = f"is at schema {found}" if found else "has no tables of this service"
        super().__init__(
            f"the database {database} {state}, but this code expects schema {expected}; "
            "run: flask --app app db upgrade (or deploy newer code if the schema is ahead, or "
            "set DATABASE_SCHEMA if the tables are another program's)"
        )
        self.found = found
        self.expected = expected
