"""What one restaurant allows on its floor, and another may not."""

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
    """How much may be unfinished, in a session and on a floor, and when an order is finished.

    The limits bind guests and waiters, as they hold what anybody may come to hold;
    managers, and what acts for nobody, such as a till, go by their own judgement.

    Args:
        max_open_sessions: on the floor of one waiter, for another to be opened or reopened.
            A transfer may bring more.
        max_open_requests: that the guests still wait for.
        max_orders: that are not served.
        max_order_lines: of all those orders together.
        require_paid: an order is not finished when it is delivered, only when it is paid.
    """

    max_open_sessions: int = 100
    max_open_requests: int = 20
    max_orders: int = 100
    max_order_lines: int = 500
    require_paid: bool = False

    @property
    def unfinished_orders(self) -> tuple[OrderStatus, ...]:
        """The statuses of an order that somebody still has to do something about."""
        return (*_TO_BE_SERVED, OrderStatus.DELIVERED) if self.require_paid else _TO_BE_SERVED

    def limits(self, actor: Actor) -> bool:
        """Tell whether the limits bind ``actor``."""
        return actor.kind in (ActorKind.GUEST, ActorKind.WAITER)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the rules that MAX_OPEN_REQUESTS and the others ask for.

        Raises:
            ValidationError: a variable holds what it may not; names it.
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
