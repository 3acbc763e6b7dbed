"""The venue of each stream, and the end of streams that were opened in the wrong one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Protocol

from notifications.channels import KINDS, OF_A_VENUE, channel_name, split_channel
from notifications.errors import NotAllowed
from notifications.principal import Principal, Role
from notifications.streams.open_streams import OpenStreams
from notifications.streams.stream import CloseReason
from waiter_service.actors import ALL_VENUES, MAIN_VENUE

#: Seconds between two looks at the venues of ids that were unknown.
CHECK_SECONDS = 1.0

#: The kinds of streams whose venue must be looked up.
_LOOKED_UP = tuple(kind for kind in KINDS if kind not in OF_A_VENUE)


class Directory(Protocol):
    """The part of :class:`waiter_service.reading.venue_directory.VenueDirectory` used here."""

    has_several: bool

    def refresh(self) -> bool: ...
    def venue_of(self, kind: str, thing_id: str) -> str | None: ...
    def look_up(self, kind: str, ids: Collection[str]) -> dict[str, str]: ...


class StreamVenues:
    """Finds the venue of a session or a waiter, without a read while there is only ``main``.

    An id that does not exist counts as ``main``'s. It may turn out otherwise: a session may be
    opened under this id later, or a second venue may have been added a moment ago. So
    :meth:`check`, called a few times a second, ends the streams that are in the wrong venue.
    Their clients come back, and are told to load everything again.
    """

    def __init__(
        self,
        directory: Directory,
        streams: OpenStreams,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._streams = streams
        self._clock = clock
        self._check_at = 0.0
        # The kinds and ids that did not exist when they were asked for, while there were
        # several venues.
        self._assumed: set[tuple[str, str]] = set()

    @property
    def are_several(self) -> bool:
        """Whether there is another venue than ``main``, as far as this process knows."""
        return self._directory.has_several

    def venue_of(self, kind: str, channel_id: str) -> str:
        """Return the venue of a stream. Switches greenlets only if it must read.

        Raises:
            DatabaseError: it must be read, and the database does not answer.
        """
        if kind in OF_A_VENUE:
            return channel_id
        venue_id = self._directory.venue_of(kind, channel_id)
        if venue_id is None:
            self._assumed.add((kind, channel_id))
            return MAIN_VENUE
        return venue_id

    def require_own_venue(self, principal: Principal) -> None:
        """Make sure that the token of a waiter, a kitchen or a display names their venue.

        Raises:
            NotAllowed: it names another one.
            DatabaseError: as :meth:`venue_of`.
        """
        self.expect(principal)
        if (own := principal.own_stream) is None or principal.role is Role.CUSTOMER:
            return
        if self.venue_of(*own) != principal.venue:
            raise NotAllowed

    def expect(self, principal: Principal) -> None:
        """Look for other venues than ``main`` at once if the bearer's token names one.

        Raises:
            DatabaseError: the database does not answer.
        """
        if principal.venue not in (MAIN_VENUE, ALL_VENUES):
            self._look_for_venues()

    def check(self) -> None:
        """End the streams that are in the wrong venue; looks about once a second.

        May switch greenlets while it reads.

        Raises:
            DatabaseError: the database does not answer. The next call tries again.
        """
        if (now := self._clock()) < self._check_at:
            return
        self._check_at = now + CHECK_SECONDS
        self._look_for_venues()
        for kind in _LOOKED_UP:
            self._check_assumed({place for place in self._assumed if place[0] == kind}, kind)

    def _look_for_venues(self) -> None:
        if self._directory.refresh():
            self._streams.limit_venues()
            # Until a moment ago everything counted as main's.
            places = (split_channel(channel)[1:] for channel in self._streams.channels())
            self._assumed.update(place for place in places if place[0] in _LOOKED_UP)

    def _check_assumed(self, places: set[tuple[str, str]], kind: str) -> None:
        followed = {
            thing_id
            for _, thing_id in places
            if self._streams.on_channel(channel_name(MAIN_VENUE, kind, thing_id))
        }
        found = self._directory.look_up(kind, followed) if followed else {}
        # Others may have been added during the read.
        self._assumed -= {
            place for place in places if place[1] not in followed or place[1] in found
        }
        for thing_id, venue_id in found.items():
            if venue_id != MAIN_VENUE:
                channel = channel_name(MAIN_VENUE, kind, thing_id)
                for stream in list(self._streams.on_channel(channel)):
                    self._streams.close(stream, CloseReason.FAILED)


class OnlyMain:
    """The directory of a program without a database."""

    has_several = False

    def refresh(self) -> bool:
        """Return False: there is no other venue."""
        return False

    def venue_of(self, _kind: str, _thing_id: str) -> str:
        """Return ``main``."""
        return MAIN_VENUE

    def look_up(self, _kind: str, _ids: Collection[str]) -> dict[str, str]:
        """Return nothing: there is no other venue to find."""
        return {}
