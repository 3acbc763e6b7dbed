"""Who acts on the floor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from waiter_service import inputs


class ActorKind(StrEnum):
    """The kinds of actors. An actor's kind decides what they may do."""

    SYSTEM = "system"
    GUEST = "guest"
    WAITER = "waiter"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who made a change, as the audit names them.

    ``id`` is a guest's session id or a waiter's id; a manager's may be any
    text of up to 128 characters, since the platform hands those out.

    Raises:
        ValidationError: ``id`` is empty, too long, or holds control characters or blanks around it.
    """

    kind: ActorKind
    id: str

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
    def manager(cls, manager_id: str) -> Actor:
        """Return the manager ``manager_id``, who may act anywhere."""
        return cls(ActorKind.MANAGER, manager_id)

    @property
    def is_guest(self) -> bool:
        return self.kind is ActorKind.GUEST

    def may_act_in(self, *, session_id: str, waiter_id: str) -> bool:
        """Return whether the actor may act in session ``session_id``, held by ``waiter_id``.

        A guest acts in their own session, a waiter in those they hold, a
        manager and the system anywhere. What they may do there is another
        question: see ``statuses.allowed_moves``.
        """
        if self.kind is ActorKind.GUEST:
            return self.id == session_id
        if self.kind is ActorKind.WAITER:
            return self.id == waiter_id
        return True

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.id}"


SYSTEM = Actor(ActorKind.SYSTEM, "system")
"""Scripts, integrations and the command line. May do everything that staff and managers may."""

NOBODY = Actor(ActorKind.GUEST, "-")
"""A caller without a token, such as a guest about to join. May act nowhere."""
