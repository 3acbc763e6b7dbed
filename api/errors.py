"""What can be wrong with a call before it is carried out.

::

    CallError
    |-- BodyNotUnderstood    the body is not JSON
    |-- UnknownParameters    the query has a parameter that this operation does not know
    `-- IfMatchRefused       a precondition that would be ignored
    waiter_service.errors.ValidationError
    `-- FieldErrors          the body is JSON, but several fields are wrong

Who may call at all is decided with the errors of ``notifications.errors``:
NotAuthenticated, NotAllowed, TooManyCalls, TooManyChanges.
"""

from __future__ import annotations

from collections.abc import Sequence

from waiter_service.errors import ValidationError


class CallError(Exception):
    """The call is refused; ``str()`` is safe to show to anyone."""


class BodyNotUnderstood(CallError):
    """The body is not JSON."""


class UnknownParameters(CallError):
    """The query has the parameters ``unknown``, which would be ignored; it may have ``allowed``."""

    def __init__(self, unknown: Sequence[str], allowed: Sequence[str]) -> None:
        known = f"It knows {', '.join(allowed)}." if allowed else "It knows none."
        super().__init__(f"This path does not know the query's {', '.join(unknown)}. {known}")
        self.unknown = tuple(unknown)
        self.allowed = tuple(allowed)


class IfMatchRefused(CallError):
    """The call has an If-Match header, which would be ignored."""

    def __init__(self) -> None:
        super().__init__(
            "If-Match is not supported; send the version you saw as expectedVersion in the body."
        )


class FieldErrors(ValidationError):
    """Several fields are wrong; ``errors`` is each field with what it must be."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__(*errors[0])
        self.errors = tuple(errors)
