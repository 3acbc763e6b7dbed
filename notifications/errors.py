"""What can go wrong on the way to a screen.

::

    NotificationError
    ├── AccessError
    │   ├── NotAuthenticated      no token, or no good one
    │   └── NotAllowed            a good token, for something else
    │       └── SessionOver       a good token, for a session that was closed
    ├── StreamRefused             not now; ``retry_after_seconds`` says when
    │   ├── TooManyStreams        the bearer has too many streams open
    │   ├── TooManyOpens          the bearer opens streams too fast
    │   ├── VenueFull             the venue has too many streams open
    │   ├── ServerFull            this process has too many streams open
    │   ├── ServerBusy            too many clients are connecting at once
    │   ├── ServerDraining        this process is about to stop
    │   └── HistoryUnavailable    the broker does not answer
    ├── TooManyCalls              a bearer, or an address, makes too many calls
    │   ├── TooManyChanges        the guests of one session change too much
    │   ├── TooManyVenueCalls     all bearers of a venue together make too many calls
    │   └── TooManyVenueChanges   they change too much
    ├── InvalidNotification       a field of a notification, named by ``field``
    ├── BrokerUnavailable         the broker's store does not answer; try again
    │   └── NotServing            no stream could receive what this process publishes
    ├── BrokerUnusable            the store answers, and an operator must act
    │   └── PrefixTaken           another deployment uses the same prefix
    └── ChangeUnheard             a kind of change has no receiver: a fault of this program

No error carries an HTTP status: the blueprints map errors to statuses. ``cause``
names in one word why a stream was not opened, as in the metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class NotificationError(Exception):
    """Base of all errors that this package raises on purpose."""


class AccessError(NotificationError):
    """Access was refused. The message never reveals what exists."""

    cause: ClassVar[str]


class NotAuthenticated(AccessError):
    """No token, or one that is malformed, forged, expired or revoked."""

    cause = "not_authenticated"


class NotAllowed(AccessError):
    """The token is good, but not for this. Unknown ids get the same error."""

    cause = "not_allowed"

    def __init__(self, message: str = "This token does not give access to that.") -> None:
        super().__init__(message)


class SessionOver(NotAllowed):
    """The session was closed. Raised only for bearers who may follow it."""

    cause = "session_closed"

    def __init__(self) -> None:
        super().__init__("The session was closed.")


class StreamRefused(NotificationError):
    """No stream was opened. Try again after ``retry_after_seconds``."""

    cause: ClassVar[str]

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyStreams(StreamRefused):
    """The bearer has reached the limit of open streams."""

    cause = "too_many_streams"


class TooManyOpens(StreamRefused):
    """The bearer has opened too many streams in this minute."""

    cause = "too_many_opens"


class VenueFull(StreamRefused):
    """The venue has reached its share of this process's streams."""

    cause = "venue_full"


class ServerFull(StreamRefused):
    """This process has reached its limit of open streams."""

    cause = "server_full"


class ServerBusy(StreamRefused):
    """Too many clients are connecting at once."""

    cause = "server_busy"


class ServerDraining(StreamRefused):
    """This process is closing its streams; another one will answer."""

    cause = "server_draining"


class HistoryUnavailable(StreamRefused):
    """The broker does not answer, so the events that the client missed are not known."""

    cause = "history_unavailable"


class TooManyCalls(NotificationError):
    """A bearer, or an address without a good token, makes too many calls."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyChanges(TooManyCalls):
    """The guests of one session have changed too much in this minute."""


class TooManyVenueCalls(TooManyCalls):
    """All bearers of a venue together have made too many calls in this minute."""


class TooManyVenueChanges(TooManyCalls):
    """All bearers of a venue together have changed too much in this minute."""


class InvalidNotification(NotificationError, ValueError):
    """A notification with a field that cannot be sent; nothing was sent."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class BrokerUnavailable(NotificationError):
    """The store behind the broker does not answer; nothing was published."""


class NotServing(BrokerUnavailable):
    """No stream would ever receive what this process publishes; nothing was published."""

    def __init__(self) -> None:
        super().__init__(
            "this process serves no streams and shares no history with one that does: set "
            "REDIS_URL in both, or call from a view of the process that serves; what changes "
            "the floor through WaiterService reaches the screens from any process"
        )


class BrokerUnusable(NotificationError):
    """The store behind the broker answers but cannot be used; the message says what to do."""


class PrefixTaken(BrokerUnusable):
    """Another deployment uses the same prefix; the message says what to do."""


class ChangeUnheard(NotificationError):
    """Kinds of changes have no receiver, so their rows would never leave the outbox."""

    def __init__(self, kinds: Sequence[str]) -> None:
        super().__init__(
            f"no receiver for the change {', '.join(kinds)}: connect one to its signal "
            "(notifications/publishing/listener.py), or its changes stay in the outbox forever"
        )
        self.kinds = kinds
