"""One wish that a screen load something again, checked before anything keeps it.

What passes the checks can be published: ids and kinds fit the ``cache_refresh`` event, and
a reason is one line. A batch that could never be published would be retried forever.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from notifications.channels import channel_name
from notifications.errors import InvalidNotification
from notifications.events.cache_refresh import AffectedData
from waiter_service.errors import shown
from waiter_service.inputs import ID_RULE, is_identifier

MAX_REASON_CHARS = 500

# The maximum wait, counted in quiet times.
MAX_WAIT_FACTOR = 5

_KINDS = tuple(AffectedData)

# A refresh of analytics alone is for no id in particular, and says nothing
# about which requests or orders have changed.
_KINDS_WITH_IDS = frozenset(AffectedData) - {AffectedData.ANALYTICS}


class Priority(StrEnum):
    """How soon a refresh is sent."""

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


# High looks immediate, and several taps in a row cost one reload. Each quiet time is at least
# the maximum wait of the priority above it: so a trigger of lower priority never moves a batch.
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
        The ids are passed under the name that errors call them by: ``order_ids=[...]``.

        Raises:
            InvalidNotification: a field is wrong; the error says which.
        """
        return cls(
            affected_data=_kinds(affected_data),
            priority=_priority(priority),
            affected_ids=tuple(
                dict.fromkeys(
                    checked_id(field, value)
                    for field, values in affected_ids.items()
                    for value in _items(field, values)
                )
            ),
            reason=_reason(reason),
        )

    @property
    def is_about_any_id(self) -> bool:
        """Whether this one concerns more than any list of ids could name."""
        return not self.affected_ids and not _KINDS_WITH_IDS.isdisjoint(self.affected_data)


def checked_channels(venue_id: str, *, at_least: int = 1, **ids: str | None) -> list[str]:
    """Return the channel of each id given, once: ``waiter_id="anna"`` is ``main:waiter:anna``.

    Raises:
        InvalidNotification: an id is not valid, or fewer than ``at_least`` are given.
    """
    given = {name: value for name, value in ids.items() if value is not None}
    if len(given) < at_least:
        raise InvalidNotification(" or ".join(ids), "must be given")
    kinds = {name: name.removeprefix("previous_").removesuffix("_id") for name in given}
    checked_id("venue_id", venue_id)
    channels = (
        channel_name(venue_id, kinds[name], checked_id(name, value))
        for name, value in given.items()
    )
    return list(dict.fromkeys(channels))


def checked_id(field: str, value: object) -> str:
    """Return ``value`` if it has the form of an id.

    Raises:
        InvalidNotification: it does not; the error names the ``field``.
    """
    if isinstance(value, str) and is_identifier(value):
        return value
    raise InvalidNotification(field, f"{ID_RULE}, not {shown(value)}")


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
