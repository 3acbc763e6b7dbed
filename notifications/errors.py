"""What can go wrong on the way to a screen.

::

    NotificationError
    ├── AccessError
    │   ├── NotAuthenticated      no token, or none that is good
    │   └── NotAllowed            a good token, for something else
    │       └── SessionOver       a good token, for a session that was closed
    ├── StreamRefused             not now; ``retry_after_seconds`` says when
    │   ├── TooManyStreams        the bearer has enough of them open
    │   ├── TooManyOpens          the bearer opens them too fast
    │   ├── ServerFull            this process has
    │   ├── ServerBusy            too many arrive at once
    │   ├── ServerDraining        this process is about to stop
    │   └── HistoryUnavailable    the broker is away
    ├── TooManyCalls              a bearer, or an address, asks too much
    │   └── TooManyChanges        the guests of one session change too much
    ├── InvalidNotification       a field of a notification, named by ``field``
    ├── BrokerUnavailable         the broker's store does not answer; try again
    │   └── NotServing            no stream could hear what this process publishes
    ├── BrokerUnusable            the store answers, and an operator must act
    │   └── PrefixTaken           another deployment uses the same prefix
    └── ChangeUnheard             a kind of change has no receiver: a fault of this program

None carries an HTTP status: the blueprints map them, once. ``cause``
names in one word why a stream was not opened, as metrics do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class NotificationError(Exception):
    """Base of everything this package raises on purpose."""


class AccessError(NotificationError):
    """Access was refused. The message never says what exists."""

    cause: ClassVar[str]


class NotAuthenticated(AccessError):
    """No token, or one that is malformed, forged, expired or revoked."""

    cause = "not_authenticated"


class NotAllowed(AccessError):
    """The token is good, but not for this; unknown ids look the same."""

    cause = "not_allowed"

    def __init__(self, message: str = "This token does not give access to that.") -> None:
        super().__init__(message)


class SessionOver(NotAllowed):
    """The session was closed; said only to those who may hear it."""

    cause = "session_closed"

    def __init__(self) -> None:
        super().__init__("The session was closed.")


class StreamRefused(NotificationError):
    """No stream was opened; worth another try after ``retry_after_seconds``."""

    cause: ClassVar[str]

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyStreams(StreamRefused):
    """The bearer has as many streams open as one may have."""

    cause = "too_many_streams"


class TooManyOpens(StreamRefused):
    """The bearer has opened as many streams in a minute as one may."""

    cause = "too_many_opens"


class ServerFull(StreamRefused):
    """This process has as many streams open as it may have."""

    cause = "server_full"


class ServerBusy(StreamRefused):
    """More clients arrive at once than are let in at a time."""

    cause = "server_busy"


class ServerDraining(StreamRefused):
    """This process is closing its streams; another one will answer."""

    cause = "server_draining"


class HistoryUnavailable(StreamRefused):
    """The broker does not answer, so where to go on from is not known."""

    cause = "history_unavailable"


class TooManyCalls(NotificationError):
    """A bearer, or an address without a good token, asks for too much at a time."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyChanges(TooManyCalls):
    """The guests of one session have changed as much in a minute as they may."""


class InvalidNotification(NotificationError, ValueError):
    """A notification with a field that cannot be sent; nothing was sent."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class BrokerUnavailable(NotificationError):
    """The store behind the broker does not answer; nothing was published."""


class NotServing(BrokerUnavailable):
    """No stream would ever hear what this process publishes; nothing was published."""

    def __init__(self) -> None:
        super().__init__(
            "this process serves no streams and shares no history with one that does: set "
            "REDIS_URL in both, or call from a view of the process that serves; what changes "
            "the floor through WaiterService reaches the screens from any process"
        )


class BrokerUnusable(NotificationError):
    """The store behind the broker answers but cannot be used; the message says what to do."""


class PrefixTaken(BrokerUnusable):
    """Another deployment uses the prefix of ours; the message says what to do."""


class ChangeUnheard(NotificationError):
    """Kinds of changes have no receiver, so their rows would never leave the outbox."""

    def __init__(self, kinds: Sequence[str]) -> None:
        super().__init__(
            f"no receiver for the change {', '.join(kinds)}: connect one to its signal "
            "(notifications/publishing/listener.py), or its changes stay in the outbox forever"
        )
        self.kinds = kinds
