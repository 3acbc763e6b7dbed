"""The idempotency keys that the memory broker has seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

#: Keys that are remembered, each for one channel: minutes' worth at any rate that one
#: process can publish, in some 30 MB. Beyond it the oldest are forgotten.
MAX_KEYS = 200_000


class SeenKeys:
    """Keys by channel, each with the moment from which it may be forgotten."""

    def __init__(self, saved: Mapping[str, float] | None = None) -> None:
        # "channel key", in the order they came.
        self._forget_at: OrderedDict[str, float] = OrderedDict(saved or {})

    def add(self, channel: str, key: str, *, forget_at: float) -> bool:
        """Remember ``key``; return False if ``channel`` had it already."""
        # The name of a channel holds no space.
        name = f"{channel} {key}"
        if name in self._forget_at:
            return False
        self._forget_at[name] = forget_at
        if len(self._forget_at) > MAX_KEYS:
            self._forget_at.popitem(last=False)
        return True

    def forget_old(self, now: float) -> None:
        """Forget the keys whose moment has come."""
        while self._forget_at and next(iter(self._forget_at.values())) <= now:
            self._forget_at.popitem(last=False)

    def to_dict(self) -> dict[str, float]:
        """Return them as they are saved for the next process."""
        return dict(self._forget_at)
