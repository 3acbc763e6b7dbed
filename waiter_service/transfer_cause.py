"""The causes of a transfer, as guests may read them."""

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
            ValidationError: it spells no cause; the error lists the legal ones.
        """
        try:
            return cls(value)  # type: ignore[arg-type]  # the lookup accepts any value
        except ValueError:
            legal = ", ".join(cause.value for cause in cls)
            raise ValidationError("cause", f"must be one of {legal}") from None

    @property
    def label(self) -> str | None:
        """The cause as people read it, such as ``shift change``; ``None`` for ``OTHER``."""
        return None if self is TransferCause.OTHER else self.value.replace("_", " ")
