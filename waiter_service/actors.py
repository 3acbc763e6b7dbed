"""Who does something on the floor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from waiter_service import inputs


class ActorKind(StrEnum):
    """What somebody may do follows from what they are."""

    SYSTEM = "system"
    GUEST = "guest"
    WAITER = "waiter"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who does something, as the audit will name them.

    ``id`` is a guest's session id or a waiter's id; a manager's may be any
    text of up to 128 characters, since the platform hands those out.

    Raises:
        ValidationError: ``id`` is empty, too long, or holds control characters or blanks around it.
    """

    kind: ActorKind
    id: str

    def __post_init__(self) -> None:
        # A plain "guest" equals the kind but is not it, and would pass for
        # somebody who may do more.
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
        """Tell whether the session ``session_id``, held by ``waiter_id``, is theirs to act in.

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
"""Scripts, integrations and the command line: may do what staff and managers may."""

NOBODY = Actor(ActorKind.GUEST, "-")
"""Somebody without a token, as a guest who is about to join: may act nowhere."""
