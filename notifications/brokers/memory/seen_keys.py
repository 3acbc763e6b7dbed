"""The idempotency keys that the memory broker has seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from notifications.brokers.base import KEY_SECONDS

#: Keys that are remembered, each for one channel, in some 30 MB. Beyond it the oldest are
#: forgotten, but none that came within the last ``KEY_SECONDS``.
MAX_KEYS = 200_000


class SeenKeys:
    """Keys by channel, each remembered for ``keep_seconds``."""

    def __init__(self, keep_seconds: float, saved: Mapping[str, float] | None = None) -> None:
        self._keep_seconds = keep_seconds
        # "channel key" and when it may be forgotten, in the order they came.
        self._forget_at: OrderedDict[str, float] = OrderedDict(saved or {})

    def add(self, channel: str, key: str, now: float) -> bool:
        """Remember ``key``; return False if ``channel`` had it already."""
        # The name of a channel holds no space.
        name = f"{channel} {key}"
        if name in self._forget_at:
            return False
        self._forget_at[name] = now + self._keep_seconds
        if len(self._forget_at) > MAX_KEYS:
            self._forget_excess(now)
        return True

    def forget_old(self, now: float) -> None:
        """Forget the keys whose moment has come."""
        while self._forget_at and next(iter(self._forget_at.values())) <= now:
            self._forget_at.popitem(last=False)

    def to_dict(self) -> dict[str, float]:
        """Return them as they are saved for the next process."""
        return dict(self._forget_at)

    def _forget_excess(self, now: float) -> None:
        forget_before = now + self._keep_seconds - KEY_SECONDS
        while (
            len(self._forget_at) > MAX_KEYS
            and next(iter(self._forget_at.values())) <= forget_before
        ):
            self._forget_at.popitem(last=False)
