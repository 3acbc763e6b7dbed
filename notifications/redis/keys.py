"""What the service calls its things in Redis."""

from __future__ import annotations


class RedisKeys:
    """The names of keys and pub/sub channels; ``prefix`` keeps deployments apart.

    Pub/sub knows no databases: two deployments on one Redis need two prefixes, whatever
    numbers their URLs end in. Keys that one script uses share a hash tag, the part in
    braces, so that a cluster keeps them on one server. All channels of a venue share one,
    because one script publishes an event to all of its channels.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._live = (f"{prefix}{{", ":live")
        #: Which server the histories are of, and their generation.
        self.state = f"{prefix}{{deployment}}:state"
        #: What the processes report.
        self.reports = f"{prefix}reports"
        #: Which deployment uses the prefix now, and which did last.
        self.mark = f"{prefix}{{deployment}}:mark"
        self.owner = f"{prefix}{{deployment}}:owner"
        #: Pending refreshes: which are due, which collect triggers, which are being sent.
        self.batches = [f"{prefix}{{refresh}}:{each}" for each in ("due", "collecting", "sending")]

    def inbox(self, process: str) -> str:
        """Return the pub/sub channel that one process alone hears."""
        return f"{self.prefix}inbox:{process}"

    def waiter_streams(self, venue_id: str) -> str:
        """Return the key under which the processes report the streams of a venue's waiters."""
        return f"{self.prefix}{{{venue_id}}}:waiter-streams"

    def history(self, channel: str) -> tuple[str, str, str]:
        """Return the keys of ``channel``'s meta, log and seen."""
        stem = self._stem(channel)
        return stem + ":meta", stem + ":log", stem + ":seen"

    def live(self, channel: str) -> str:
        """Return the pub/sub channel that carries ``channel``'s events."""
        return self._stem(channel) + ":live"

    def channel(self, live: str) -> str | None:
        """Return the channel whose events ``live`` carries; None if it carries none."""
        start, end = self._live
        if live.startswith(start) and live.endswith(end):
            return live[len(start) : -len(end)].replace("}", "", 1)
        return None

    def _stem(self, channel: str) -> str:
        venue_id, _, rest = channel.partition(":")
        return f"{self.prefix}{{{venue_id}}}:{rest}"
