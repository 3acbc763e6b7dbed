"""One operation of the API: what may be sent, what is answered, and what carries it out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from api.bodies import Body
from api.call import Answer, Call
from api.cursors import Cursors
from api.filters import Filter
from api.join_desk import JoinDesk
from api.problem_models import Problem
from api.resources import Resource
from notifications.brokers.presence import Presence
from notifications.errors import NotAllowed
from waiter_service.actors import Actor
from waiter_service.queries import FloorQueries
from waiter_service.service import WaiterService


@dataclass(frozen=True, slots=True)
class Services:
    """What carries out the operations, and decides who may do what."""

    waiter_service: WaiterService
    queries: FloorQueries
    cursors: Cursors
    presence: Presence
    desk: JoinDesk


Handler = Callable[..., Answer]
"""From ``Services``, a ``Call`` and the path's parameters to the answer."""


def _not_given(*_args: object) -> Answer:
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path; decorates the function that carries it out.

    The function's name is the operation's id in the OpenAPI document. The first line of
    its docstring is the summary there, the rest the description.

    Args:
        path: below /api, with parameters as OpenAPI spells them.
        answers: what it succeeds with, by status.
        body: what must be sent; ``None`` if nothing is.
        body_is_optional: the body may be left out.
        conflicts: what a 409 may look like.
        staff_only: only waiters and managers may call it.
        for_screens: with ``staff_only``, kitchens and displays may call it too.
        has_location: the answer has a Location header, which names what was made.
        is_paged: the query may have ``limit`` and ``cursor``.
        filters: what else the query may have.
        complete: adds to each answer, a stored one too, what must not be stored.
        is_public: needs no token.
        takes_key: a POST with an Idempotency-Key is done once. Off where the answer is
            a secret: it would be stored.
        content_type: of the answer.
        tag: its group in the document; by default the first part of the path.
        handle: the decorated function.
    """

    method: Literal["GET", "POST", "PATCH"]
    path: str
    answers: Mapping[int, type[Resource]]
    body: type[Body] | None = None
    body_is_optional: bool = False
    conflicts: tuple[type[Problem], ...] = ()
    staff_only: bool = False
    for_screens: bool = False
    has_location: bool = False
    is_paged: bool = False
    filters: tuple[Filter, ...] = ()
    complete: Callable[[Services, Call[Any], Answer], Answer] | None = None
    is_public: bool = False
    takes_key: bool = True
    content_type: str = "application/json"
    tag: str = ""
    handle: Handler = _not_given

    def __call__(self, handle: Handler) -> Operation:
        """Return this operation, carried out by ``handle``."""
        return replace(self, handle=handle, tag=self.tag or self.path.split("/")[1])

    @property
    def name(self) -> str:
        """The function's name, such as ``open_session``."""
        return self.handle.__name__

    @property
    def summary(self) -> str:
        return self._doc[0].removesuffix(".")

    @property
    def description(self) -> str | None:
        return "\n".join(self._doc[2:]) or None

    @property
    def parameters(self) -> tuple[str, ...]:
        """What its query may have."""
        of_page = ("limit", "cursor") if self.is_paged else ()
        return (*(each.name for each in self.filters), *of_page)

    @property
    def is_retried_safely(self) -> bool:
        """It takes an Idempotency-Key. All but a POST may be repeated without one."""
        return self.method == "POST" and self.takes_key

    def require_role(self, actor: Actor) -> None:
        """Raise ``NotAllowed`` if ``actor`` has a role that may never do this."""
        is_screen = not (actor.is_floor_staff or actor.is_guest)
        if self.staff_only and (actor.is_guest or (is_screen and not self.for_screens)):
            raise NotAllowed("This is for the restaurant's staff.")

    def require_still_allowed(
        self, services: Services, actor: Actor, ids: Mapping[str, str]
    ) -> None:
        """Raise ``Missing`` if ``actor`` may no longer read a stored answer.

        A waiter who has given a table away must not read about it again.
        """
        if "sessionId" in ids:
            services.queries.require_session(ids["sessionId"], actor=actor)

    @property
    def _doc(self) -> list[str]:
        return (inspect.getdoc(self.handle) or "").splitlines()
