"""Why tables change hands, as guests may read it."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from waiter_service.errors import ValidationError


class TransferCause(StrEnum):
    """The public cause of a transfer; its ``reason`` stays with the staff.

    The value is the spelling on the wire.
    """

    SHIFT_CHANGE = "shift_change"
    BREAK = "break"
    SECTION_CHANGE = "section_change"
    WORKLOAD = "workload"
    OTHER = "other"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Return the cause that ``value`` is or spells.

        Raises:
            ValidationError: it spells none; the error lists the legal ones.
        """
        try:
            return cls(value)  # type: ignore[arg-type]  # anything is looked up
        except ValueError:
            legal = ", ".join(cause.value for cause in cls)
            raise ValidationError("cause", f"must be one of {legal}") from None

    @property
    def label(self) -> str | None:
        """How people read it, such as ``shift change``; ``None`` where it says nothing."""
        return None if self is TransferCause.OTHER else self.value.replace("_", " ")
