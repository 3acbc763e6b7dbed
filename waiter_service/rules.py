"""The rules that each restaurant sets for its own floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from waiter_service.actors import Actor, ActorKind
from waiter_service.errors import ValidationError
from waiter_service.statuses import OrderStatus

_TO_BE_SERVED = (
    OrderStatus.NEW,
    OrderStatus.ACKNOWLEDGED,
    OrderStatus.IN_PROGRESS,
    OrderStatus.COMPLETE,
)
_WORDS = {"1": True, "true": True, "yes": True, "on": True}
_WORDS |= {"0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseRules:
    """Limits on what may be unfinished, when an order is finished, and how long an offer is open.

    The limits bind guests and waiters, whose tokens an attacker may get hold of. They do not
    bind managers and the system actor (a till, a script).

    Args:
        max_open_sessions: sessions on one waiter's floor. At the limit none can be opened
            or reopened; a transfer may exceed it.
        max_open_requests: requests of one session that are still open.
        max_orders: orders of one session that are unfinished.
        max_order_lines: lines of all those orders together.
        require_paid: an order is finished when it is paid, not when it is delivered.
        handover_offer_seconds: how long a colleague may take to accept a handover.
    """

    max_open_sessions: int = 100
    max_open_requests: int = 20
    max_orders: int = 100
    max_order_lines: int = 500
    require_paid: bool = False
    handover_offer_seconds: int = 300

    @property
    def unfinished_orders(self) -> tuple[OrderStatus, ...]:
        """The statuses in which an order is unfinished."""
        return (*_TO_BE_SERVED, OrderStatus.DELIVERED) if self.require_paid else _TO_BE_SERVED

    def limits(self, actor: Actor) -> bool:
        """Return whether the limits bind ``actor``."""
        return actor.kind in (ActorKind.GUEST, ActorKind.WAITER)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the rules that the environment sets: MAX_OPEN_REQUESTS and the others.

        Raises:
            ValidationError: a variable has an invalid value; the error names it.
        """
        chosen: dict[str, Any] = {}
        for each in fields(cls):
            variable = each.name.upper()
            if value := environ.get(variable, "").strip():
                parse = _boolean if isinstance(each.default, bool) else _whole_number
                chosen[each.name] = parse(variable, value)
        return cls(**chosen)


def _boolean(variable: str, value: str) -> bool:
    try:
        return _WORDS[value.lower()]
    except KeyError:
        raise ValidationError(variable, "must be 1 or 0") from None


def _whole_number(variable: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 9 and int(value)):
        raise ValidationError(variable, "must be a whole number from 1 on")
    return int(value)


DEFAULT_RULES = HouseRules()
