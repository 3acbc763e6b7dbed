"""What does not exist, or not for this actor."""

from __future__ import annotations

from waiter_service.errors.base import WaiterServiceError, shown


class Missing(WaiterServiceError):
    """It does not exist, or this actor may not see it.

    Show ``public_message`` to callers from outside. It is the same for an unknown id
    and for a forbidden one, so callers cannot probe for ids.
    """

    def __init__(self, thing: str, thing_id: object, message: str) -> None:
        super().__init__(message)
        self.thing = thing
        self.thing_id = thing_id

    @property
    def public_message(self) -> str:
        return f"no such {self.thing}: {shown(self.thing_id)}"


class NotFound(Missing):
    """It does not exist."""

    thing = "thing"

    def __init__(self, thing_id: object) -> None:
        super().__init__(self.thing, thing_id, f"no such {self.thing}: {shown(thing_id)}")


class UnknownSession(NotFound):
    thing = "session"


class UnknownRequest(NotFound):
    thing = "request"


class UnknownOrder(NotFound):
    thing = "order"


class UnknownJoinCode(NotFound):
    """The session has no valid code; a new one can be made."""

    thing = "join code"


class UnknownJoin(NotFound):
    thing = "guest"


class UnknownWaiter(NotFound):
    thing = "waiter"


class UnknownOffer(NotFound):
    thing = "offer"


class UnknownVenue(NotFound):
    thing = "venue"


class NotPermitted(Missing):
    """It exists, but this actor may not act on it.

    ``str()`` says so, for the log; show ``public_message`` to callers from outside.
    """

    def __init__(self, thing: str, thing_id: object, actor: object) -> None:
        super().__init__(thing, thing_id, f"{actor} may not do this to {thing} {shown(thing_id)}")
        self.actor = actor
