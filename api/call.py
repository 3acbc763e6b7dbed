"""One call of an operation, and its answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from api.bodies import Body
from api.resources import Resource
from waiter_service.actors import Actor

B = TypeVar("B", bound=Body | None, covariant=True)


@dataclass(frozen=True, slots=True)
class Call(Generic[B]):
    """Who asks for what, and from where.

    ``name`` is method and path, such as ``POST /sessions/table-7/orders``;
    ``key`` the Idempotency-Key, if the client sent one; ``address`` the client's.
    ``limit`` and ``cursor`` choose the page of a list, ``filters`` what is in it, by the
    queries' arguments.
    """

    actor: Actor
    name: str
    body: B
    key: str | None = None
    address: str = "-"
    limit: int | None = None
    cursor: str | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def body_hash(self) -> str:
        """The same for equal bodies, however they were spelled."""
        text = self.body.model_dump_json() if self.body is not None else ""
        return hashlib.sha256(text.encode()).hexdigest()

    def chosen_id(self, prefix: str) -> str | None:
        """Return the id for what this call creates. A retry gets the same id.

        The process may die after the change is committed and before the answer is stored:
        the retry then finds what was made, and makes nothing new.
        ``None`` without a key: a retry cannot then be told from a new call.
        """
        if self.key is None:
            return None
        parts = (self.actor.key, self.key, self.name, self.body_hash)
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return f"{prefix}-{digest[:20]}"


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is JSON text, and is stored as it is for retries."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @classmethod
    def of(cls, status: int, resource: Resource, **headers: str) -> Answer:
        """Return ``resource`` in ASCII: U+2028 breaks some parsers."""
        return cls(status, resource.model_dump_json(by_alias=True, ensure_ascii=True), headers)
