"""A few bytes of memory that gunicorn's master and its workers share."""

from __future__ import annotations

import mmap
import struct

_REPLACED_AT, _AGE = 8, struct.Struct("q")


class SharedState:
    """Created before the first worker is forked, and inherited by all workers."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 16)

    @property
    def has_served(self) -> bool:
        """Whether any worker has ever served."""
        return self._memory[0] == 1

    def note_serving(self) -> None:
        """Record that a worker serves."""
        self._memory[0] = 1

    def note_reload(self, last_age: int) -> None:
        """Record that every worker up to the age ``last_age`` is being replaced."""
        _AGE.pack_into(self._memory, _REPLACED_AT, last_age)

    def is_replaced(self, age: int) -> bool:
        """Return whether a reload is replacing the worker of this ``age``."""
        (last_age,) = _AGE.unpack_from(self._memory, _REPLACED_AT)
        return age <= int(last_age)
