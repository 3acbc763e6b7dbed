"""Many triggers, one refresh: what is joined, and until when to wait.

The rule for one channel (a session's or a waiter's):

- A first trigger of priority ``p`` opens a batch, due one quiet time of ``p`` later.
- A trigger of the same priority joins and puts the moment off to one quiet time from now,
  at most to 5 quiet times after the first of that priority.
- A trigger of a higher priority joins and gives the batch its priority: the batch is due
  one quiet time of the higher priority later, but never after the moment it already had,
  which is now the latest.
- A trigger of a lower priority joins and does not move the batch: each quiet time is as
  long as the maximum wait of the priority above it, so the batch is sent before the
  quiet time of the new trigger ends.

Hence no trigger waits longer than the maximum wait of its own priority, and only triggers
of the batch's own priority put off a moment that was set.

There is no clock and no greenlet in here. ``now`` is passed in, in seconds, and nothing
switches greenlets.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from notifications.events.cache_refresh import AffectedData
from notifications.refresh.trigger import Priority, Trigger

# Guesses. A list of ids is worth sending while loading those is cheaper than
# loading all, and 200 ids of 64 characters still fit an event of 14 KB.
MAX_AFFECTED_IDS = 200
MAX_REASONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one ``cache_refresh`` event will say, and when it is due.

    ``id`` is its idempotency key: a batch that is published again keeps it. ``affected_ids``
    are in the order they came; they are empty, which means anything of these kinds, if
    there were too many or a trigger named none. ``latest_at`` is the moment beyond which the
    batch cannot be put off. ``attempts`` counts how often it was claimed for publishing.
    """

    id: str
    channel: str
    priority: Priority
    first_at: float
    due_at: float
    latest_at: float
    affected_data: tuple[AffectedData, ...]
    affected_ids: tuple[str, ...]
    is_about_any_id: bool
    reasons: tuple[str, ...]
    reasons_left_out: int = 0
    triggers: int = 1
    attempts: int = 0

    @classmethod
    def opened(cls, channel: str, trigger: Trigger, now: float) -> Batch:
        """Return the batch that ``trigger`` is the first of."""
        ids = _bounded(trigger.affected_ids)
        return cls(
            id=uuid.uuid4().hex,
            channel=channel,
            priority=trigger.priority,
            first_at=now,
            due_at=now + trigger.priority.quiet_seconds,
            latest_at=now + trigger.priority.max_wait_seconds,
            affected_data=trigger.affected_data,
            affected_ids=ids or (),
            is_about_any_id=trigger.is_about_any_id or ids is None,
            reasons=() if trigger.reason is None else (trigger.reason,),
        )

    def joined_by(self, trigger: Trigger, now: float) -> Batch:
        """Return the batch with ``trigger`` in it as well."""
        priority, due_at, latest_at = self._moment_after(trigger.priority, now)
        kinds = {*self.affected_data, *trigger.affected_data}
        is_about_any_id = self.is_about_any_id or trigger.is_about_any_id
        ids = None if is_about_any_id else _bounded((*self.affected_ids, *trigger.affected_ids))
        reasons, left_out = self.reasons, self.reasons_left_out
        if trigger.reason is not None and trigger.reason not in reasons:
            if len(reasons) < MAX_REASONS:
                reasons += (trigger.reason,)
            else:
                left_out += 1
        return replace(
            self,
            priority=priority,
            due_at=due_at,
            latest_at=latest_at,
            affected_data=tuple(kind for kind in AffectedData if kind in kinds),
            affected_ids=ids or (),
            is_about_any_id=ids is None,
            reasons=reasons,
            reasons_left_out=left_out,
            triggers=self.triggers + 1,
        )

    def _moment_after(self, priority: Priority, now: float) -> tuple[Priority, float, float]:
        """Return the priority, due and latest moment once one of ``priority`` has joined."""
        if self.priority.is_above(priority):
            return self.priority, self.due_at, self.latest_at
        latest_at = self.latest_at
        if priority.is_above(self.priority):
            latest_at = min(self.due_at, now + priority.max_wait_seconds)
        return priority, min(now + priority.quiet_seconds, latest_at), latest_at

    @property
    def reason(self) -> str:
        """The reasons as one text, ``"a; b; and 3 more"``; empty if none was given.

        Among the reasons left out, one that was given twice counts twice.
        """
        more = (f"and {self.reasons_left_out} more",) if self.reasons_left_out else ()
        return "; ".join(self.reasons + more)


def _bounded(ids: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return each id once, or None for too many of them."""
    unique = tuple(dict.fromkeys(ids))
    return unique if len(unique) <= MAX_AFFECTED_IDS else None
