"""One wish that a screen load something again, checked before anything keeps it.

What gets past here can be published: ids and kinds fit the ``cache_refresh``
event, and a reason is one line. A batch that could never be published would
be retried for ever.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from notifications.errors import InvalidNotification
from notifications.events.cache_refresh import AffectedData
from waiter_service.errors import shown
from waiter_service.inputs import MAX_ID_CHARS, is_identifier

MAX_REASON_CHARS = 500

# The maximum wait, counted in quiet times.
MAX_WAIT_FACTOR = 5

_KINDS = tuple(AffectedData)

# A refresh of analytics alone is for no id in particular, and says nothing
# about which requests or orders have changed.
_KINDS_WITH_IDS = frozenset(AffectedData) - {AffectedData.ANALYTICS}


class Priority(StrEnum):
    """How soon a refresh is wanted."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def quiet_seconds(self) -> float:
        """How long no further trigger may come before the batch is sent."""
        return _QUIET_SECONDS[self]

    @property
    def max_wait_seconds(self) -> float:
        """How long further triggers may put the batch off altogether."""
        return MAX_WAIT_FACTOR * _QUIET_SECONDS[self]

    def is_above(self, other: Priority) -> bool:
        """Whether this one is the more urgent of the two."""
        return _QUIET_SECONDS[self] < _QUIET_SECONDS[other]


# By DESIGN, section 4: at once for the eye, and one reload for a row of taps.
# A trigger of lower priority never matters to a batch's moment just because
# each quiet time is at least the maximum wait of the priority above it.
_QUIET_SECONDS = {Priority.HIGH: 0.2, Priority.MEDIUM: 1.0, Priority.LOW: 5.0}


@dataclass(frozen=True, slots=True)
class Trigger:
    """What changed, and why; build it with :meth:`checked`.

    ``affected_ids`` empty means anything of these kinds.
    """

    affected_data: tuple[AffectedData, ...]
    priority: Priority
    affected_ids: tuple[str, ...] = ()
    reason: str | None = None

    @classmethod
    def checked(
        cls,
        affected_data: Iterable[str],
        priority: str,
        *,
        reason: str | None = None,
        **affected_ids: Iterable[str],
    ) -> Trigger:
        """Return the trigger, kinds in their order on the wire and each id once.

        Line breaks and tabs in ``reason`` become blanks; a blank reason is none.
        The ids go by the name that errors shall call them by: ``order_ids=[...]``.

        Raises:
            InvalidNotification: a field is wrong; the error says which.
        """
        return cls(
            affected_data=_kinds(affected_data),
            priority=_priority(priority),
            affected_ids=tuple(
                dict.fromkeys(
                    _identifier(field, value)
                    for field, values in affected_ids.items()
                    for value in _items(field, values)
                )
            ),
            reason=_reason(reason),
        )

    @property
    def is_about_any_id(self) -> bool:
        """Whether ids that others name would say too little for this one."""
        return not self.affected_ids and not _KINDS_WITH_IDS.isdisjoint(self.affected_data)


def checked_channel(kind: str, field: str, channel_id: object) -> str:
    """Return the channel ``kind:channel_id``, such as ``session:table-7``.

    Raises:
        InvalidNotification: ``channel_id`` is no id; the error calls it ``field``.
    """
    return f"{kind}:{_identifier(field, channel_id)}"


def _identifier(field: str, value: object) -> str:
    if isinstance(value, str) and is_identifier(value):
        return value
    raise InvalidNotification(
        field,
        f"must be 1 to {MAX_ID_CHARS} letters, digits, dots, dashes and underscores, "
        f"a letter or digit first, not {shown(value)}",
    )


def _kinds(values: Iterable[object]) -> tuple[AffectedData, ...]:
    wanted = set()
    for value in _items("affected_data", values):
        if value not in _KINDS:
            raise InvalidNotification(
                "affected_data", f"must be of {', '.join(_KINDS)}, not {shown(value)}"
            )
        wanted.add(value)
    if not wanted:
        raise InvalidNotification("affected_data", f"must name at least one of {', '.join(_KINDS)}")
    return tuple(kind for kind in _KINDS if kind in wanted)


def _items(field: str, values: Iterable[object]) -> Iterable[object]:
    # A lone string is iterable too, letter by letter.
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidNotification(field, f"must be a list, not {shown(values)}")
    return values


def _priority(value: object) -> Priority:
    for priority in Priority:
        if value == priority:
            return priority
    raise InvalidNotification(
        "priority", f"must be one of {', '.join(Priority)}, not {shown(value)}"
    )


def _reason(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidNotification("reason", f"must be text, not {shown(value)}")
    line = " ".join(value.replace("\t", "\n").replace("\r\n", "\n").split("\n")).strip(" ")
    if len(line) > MAX_REASON_CHARS:
        raise InvalidNotification(
            "reason", f"must not be longer than {MAX_REASON_CHARS} characters"
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in line):
        raise InvalidNotification(
            "reason", "must not hold control characters or unpaired surrogates"
        )
    return line or None
