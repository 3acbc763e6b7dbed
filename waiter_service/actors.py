"""Who acts on the floor."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from waiter_service import inputs

#: The venue of a deployment that has only one, and the default everywhere.
MAIN_VENUE = "main"

#: The venues of a manager who manages all of them.
ALL_VENUES = "*"


class ActorKind(StrEnum):
    """The kinds of actors. An actor's kind decides what they may do."""

    SYSTEM = "system"
    GUEST = "guest"
    WAITER = "waiter"
    MANAGER = "manager"
    KITCHEN = "kitchen"
    DISPLAY = "display"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who made a change, as the audit names them.

    ``id`` is a guest's session id, a waiter's id, or the venue of a kitchen or a display; a
    manager's may be any text of up to 128 characters, since the platform hands those out.
    ``venue_id`` is the venue of a manager, a kitchen or a display, or ``ALL_VENUES``. It means
    nothing for guests and waiters, whose sessions say where they are.

    Raises:
        ValidationError: ``id`` is empty, too long, or holds control characters or blanks around it.
    """

    kind: ActorKind
    id: str
    venue_id: str = field(default=MAIN_VENUE, compare=False)

    def __post_init__(self) -> None:
        # The plain string "guest" equals ActorKind.GUEST but is not identical to it. Without
        # the conversion, checks with "is" would take a guest for staff.
        object.__setattr__(self, "kind", ActorKind(self.kind))
        inputs.exact_text("actor", self.id)

    @classmethod
    def guest(cls, session_id: str) -> Actor:
        """Return the guest who sits in ``session_id``."""
        return cls(ActorKind.GUEST, session_id)

    @classmethod
    def waiter(cls, waiter_id: str) -> Actor:
        """Return the waiter ``waiter_id``."""
        return cls(ActorKind.WAITER, waiter_id)

    @classmethod
    def manager(cls, manager_id: str, venue_id: str = MAIN_VENUE) -> Actor:
        """Return the manager ``manager_id``, who may act anywhere in the venue.

        With ``ALL_VENUES`` they may act in every venue.
        """
        return cls(ActorKind.MANAGER, manager_id, venue_id)

    @classmethod
    def kitchen(cls, venue_id: str) -> Actor:
        """Return the kitchen of a venue, which cooks orders."""
        return cls(ActorKind.KITCHEN, venue_id, venue_id)

    @classmethod
    def display(cls, venue_id: str) -> Actor:
        """Return a wall screen of a venue, which changes nothing."""
        return cls(ActorKind.DISPLAY, venue_id, venue_id)

    @property
    def is_guest(self) -> bool:
        return self.kind is ActorKind.GUEST

    @property
    def is_floor_staff(self) -> bool:
        """Whether the actor works on the floor: a waiter, a manager or the system."""
        return self.kind in _FLOOR_STAFF

    @property
    def is_in_charge(self) -> bool:
        """Whether the actor may change who works here: a manager or the system."""
        return self.kind in _IN_CHARGE

    def covers(self, venue_id: str) -> bool:
        """Return whether everything in the venue is the actor's business.

        True for the system, and for managers, kitchens and displays of that venue.
        """
        if self.kind is ActorKind.SYSTEM:
            return True
        if self.kind in _OF_ONE_SESSION_OR_FLOOR:
            return False
        return self.venue_id in (venue_id, ALL_VENUES)

    def may_act_in(self, *, session_id: str, waiter_id: str, venue_id: str) -> bool:
        """Return whether the actor may act in the session, held by ``waiter_id`` in ``venue_id``.

        A guest acts in their own session, a waiter in those they hold, a manager in those of
        the venue, and the system anywhere. What they may do there is another question: see
        ``statuses.allowed_moves``.
        """
        if self.kind is ActorKind.GUEST:
            return self.id == session_id
        if self.kind is ActorKind.WAITER:
            return self.id == waiter_id
        return self.is_in_charge and self.covers(venue_id)

    def may_cook_in(self, venue_id: str) -> bool:
        """Return whether the actor is the kitchen of the venue, and so may move its orders."""
        return self.kind is ActorKind.KITCHEN and self.covers(venue_id)

    @property
    def key(self) -> str:
        """The actor's name among those of all venues, such as ``north/manager:mia``.

        In ``main`` it is ``manager:mia``. Two venues may each have a manager with the same id.
        """
        return str(self) if self.venue_id == MAIN_VENUE else f"{self.venue_id}/{self}"

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.id}"


_IN_CHARGE = frozenset({ActorKind.SYSTEM, ActorKind.MANAGER})
_FLOOR_STAFF = _IN_CHARGE | {ActorKind.WAITER}
_OF_ONE_SESSION_OR_FLOOR = frozenset({ActorKind.GUEST, ActorKind.WAITER})

SYSTEM = Actor(ActorKind.SYSTEM, "system", ALL_VENUES)
"""Scripts, integrations and the command line. May do everything that staff and managers may."""

ANONYMOUS = Actor(ActorKind.GUEST, "-")
"""A caller without a token, such as a guest about to join. May act nowhere."""
