"""What can be wrong with a call before anything is done.

::

    CallError
    |-- NotAuthenticated     no token, or none that is good
    |-- NotAllowed           a good token, but never for this
    |-- TooManyCalls         too many within a minute, or at once
    |   `-- TooManyChanges   too many within a minute that change something
    |-- BodyNotUnderstood    no JSON
    |-- UnknownParameters    the query has what this operation does not know
    `-- IfMatchRefused       a precondition that would go unheeded
    (ValidationError of waiter_service.errors: JSON, but not what is expected)
"""

from __future__ import annotations

from collections.abc import Sequence

from waiter_service.errors import ValidationError


class CallError(Exception):
    """The call is refused; ``str()`` may be read by anybody."""


class NotAuthenticated(CallError):
    """No token, or one that is malformed, forged, expired or revoked."""


class NotAllowed(CallError):
    """Not with this token, whatever it is asked of: the answer tells nothing of what exists."""


class TooManyCalls(CallError):
    """The caller asks for too much at a time; worth another try after some seconds."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyChanges(TooManyCalls):
    """The guests of one session change too much within a minute."""


class BodyNotUnderstood(CallError):
    """The body is no JSON."""


class UnknownParameters(CallError):
    """The query has parameters that would go unheeded: ``unknown``, beside the ``allowed``."""

    def __init__(self, unknown: Sequence[str], allowed: Sequence[str]) -> None:
        known = f"It knows {', '.join(allowed)}." if allowed else "It knows none."
        super().__init__(f"This path does not know the query's {', '.join(unknown)}. {known}")
        self.unknown = tuple(unknown)
        self.allowed = tuple(allowed)


class IfMatchRefused(CallError):
    """The call has an If-Match header, which would go unheeded."""

    def __init__(self) -> None:
        super().__init__(
            "If-Match is not supported; send the version you saw as expectedVersion in the body."
        )


class FieldErrors(ValidationError):
    """Several fields are wrong; ``errors`` is each field with what it must be."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__(*errors[0])
        self.errors = tuple(errors)
