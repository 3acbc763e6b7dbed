"""Where batches wait to be sent: the contract, and the store of a single process."""

from __future__ import annotations

import heapq
import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from notifications.channels import venue_of
from notifications.refresh.batch import Batch
from notifications.refresh.trigger import Trigger

# A publish takes milliseconds; a worker that takes this long is presumed dead.
LEASE_SECONDS = 10.0


class BatchStore(Protocol):
    """Where batches wait.

    A channel has at most one batch that collects triggers and one that is being sent.
    While one is being sent, the next waits, so a channel's refreshes keep their order, and
    an outage leaves no more than two.

    A worker leases a batch for a limited time. If the batch is neither done nor postponed by
    then, the next worker that asks gets it, with the same id. A late call, on a batch that
    another worker has finished or leased meanwhile, does no harm.

    All times are seconds on ``clock``. A shared store may switch greenlets in every
    method, and raises ``BrokerUnavailable`` if it cannot be reached.
    """

    @property
    def clock(self) -> Callable[[], float]:
        """The clock that ``now`` is to be read from."""

    @property
    def poll_seconds(self) -> float | None:
        """How often to look for batches of other workers; None if there are none."""

    def add(self, channel: str, trigger: Trigger, now: float) -> float:
        """Let ``trigger`` join the channel's batch, and return when the batch is due."""

    def add_all(self, additions: Sequence[tuple[str, Trigger]], now: float) -> float:
        """Do the same for several (channel, trigger) at once; return when the first is due."""

    def lease_due(
        self, now: float, limit: int, without_venues: Collection[str] = ()
    ) -> list[Batch]:
        """Lease up to ``limit`` batches that are due, the longest due first.

        Batches of channels in ``without_venues`` are left alone.
        """

    def lease_channel(self, channel: str, now: float) -> Batch | None:
        """Lease the channel's batch, due or not; None if there is none.

        A batch that waits to be retried can be leased, one that is being sent cannot.
        """

    def channels(self) -> list[str]:
        """Return every channel that has a batch."""

    def done(self, *batches: Batch) -> None:
        """Forget ``batches``: they have been published."""

    def postpone(self, batch: Batch, until: float) -> None:
        """Offer ``batch`` again at ``until``: publishing it has failed."""

    def next_due(self) -> float | None:
        """Return when ``lease_due`` will next have something; None if nothing waits."""

    def pending(self) -> int:
        """Count the batches that are not done."""


@dataclass(slots=True)
class _Lease:
    """A batch being sent. ``until``: the lease's end, or the next attempt."""

    batch: Batch
    until: float
    is_postponed: bool = False


class MemoryBatches:
    """The batches of this process, lost with it. Not thread-safe."""

    clock: Callable[[], float] = staticmethod(time.monotonic)
    poll_seconds: float | None = None

    def __init__(self, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._lease_seconds = lease_seconds
        self._collecting: dict[str, Batch] = {}
        self._leases: dict[str, _Lease] = {}
        # For each venue (moment, channel), soonest first. Moments are mostly put off, so an
        # entry may be too early; it is corrected when it comes first. A plain min() over all
        # channels would be shorter, but quadratic in a rush.
        self._agendas: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
        self._noted: dict[str, float] = {}

    def add(self, channel: str, trigger: Trigger, now: float) -> float:
        batch = self._collecting.get(channel)
        batch = batch.joined_by(trigger, now) if batch else Batch.opened(channel, trigger, now)
        self._collecting[channel] = batch
        self._note(channel)
        return batch.due_at

    def add_all(self, additions: Sequence[tuple[str, Trigger]], now: float) -> float:
        return min(self.add(channel, trigger, now) for channel, trigger in additions)

    def lease_due(
        self, now: float, limit: int, without_venues: Collection[str] = ()
    ) -> list[Batch]:
        leased: list[Batch] = []
        heads = [
            self._earliest(venue_id)
            for venue_id in list(self._agendas)
            if venue_id not in without_venues
        ]
        heapq.heapify(heads)
        while heads and heads[0][0] <= now and len(leased) < limit:
            _, channel = heads[0]
            leased.append(self._lease(channel, now))
            heapq.heapreplace(heads, self._earliest(venue_of(channel)))
        return leased

    def lease_channel(self, channel: str, now: float) -> Batch | None:
        lease = self._leases.get(channel)
        if lease and not lease.is_postponed and lease.until > now:
            return None
        return self._lease(channel, now) if lease or channel in self._collecting else None

    def channels(self) -> list[str]:
        return list(dict.fromkeys([*self._leases, *self._collecting]))

    def done(self, *batches: Batch) -> None:
        for batch in filter(self._holds, batches):
            del self._leases[batch.channel]
            self._note(batch.channel)

    def postpone(self, batch: Batch, until: float) -> None:
        if self._holds(batch):
            self._leases[batch.channel] = _Lease(batch, until, is_postponed=True)
            self._note(batch.channel)

    def next_due(self) -> float | None:
        moment = min(
            (self._earliest(venue_id)[0] for venue_id in list(self._agendas)), default=math.inf
        )
        return None if math.isinf(moment) else moment

    def pending(self) -> int:
        return len(self._collecting) + len(self._leases)

    def _lease(self, channel: str, now: float) -> Batch:
        lease = self._leases.get(channel)
        batch = lease.batch if lease else self._collecting.pop(channel)
        batch = replace(batch, attempts=batch.attempts + 1)
        self._leases[channel] = _Lease(batch, now + self._lease_seconds)
        self._note(channel)
        return batch

    def _holds(self, batch: Batch) -> bool:
        lease = self._leases.get(batch.channel)
        return lease is not None and lease.batch.id == batch.id

    def _moment(self, channel: str) -> float:
        """Return when the channel next needs attention; infinity for never."""
        if lease := self._leases.get(channel):
            return lease.until
        batch = self._collecting.get(channel)
        return batch.due_at if batch else math.inf

    def _note(self, channel: str) -> None:
        moment = self._moment(channel)
        if moment < self._noted.get(channel, math.inf):
            self._noted[channel] = moment
            heapq.heappush(self._agendas[venue_of(channel)], (moment, channel))

    def _earliest(self, venue_id: str) -> tuple[float, str]:
        agenda = self._agendas[venue_id]
        while agenda:
            moment, channel = agenda[0]
            if moment == self._noted.get(channel):
                if moment == self._moment(channel):
                    return moment, channel
                del self._noted[channel]
            heapq.heappop(agenda)
            self._note(channel)
        del self._agendas[venue_id]
        return math.inf, ""
