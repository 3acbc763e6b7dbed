"""Input that is not valid in any state of the floor."""

from __future__ import annotations

from collections.abc import Sequence

from waiter_service.errors.base import WaiterServiceError, shown


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
