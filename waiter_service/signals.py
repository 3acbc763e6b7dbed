"""Past facts, for whoever listens in this process.

Each is sent after its change is committed, with the ``WaiterService`` as
sender and the change as keyword ``change``. In a process that relays, every
change of the whole deployment is sent by one of its relaying processes;
elsewhere only the process's own (see ``outbox/outbox.py``).

What is not promised: the order among receivers, and that a receiver sees a
change only once. One that raises does not stop the others, but the change
comes again, to all of them, with the same ``change.id``. Receivers run in
the caller's greenlet, so they must be quick; they are held weakly, so
somebody must keep them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from blinker import Namespace, Signal

from waiter_service.changes import (
    OrderStatusChange,
    RequestStatusChange,
    SessionClosed,
    SessionOpened,
    SessionReopened,
    SessionTransfer,
)

_signals = Namespace()

request_status_changed = _signals.signal(
    "request-status-changed",
    doc="""A request has been made or has moved to another status.

    Sent once per change, after the store holds it; never for a no-op.
    Sender: the WaiterService. Keyword ``change``: RequestStatusChange,
    frozen; ``change.old != change.new``, and ``None`` for a new request.
    """,
)

order_status_changed = _signals.signal(
    "order-status-changed",
    doc="""An order has been placed or has moved to another status.

    Sent once per change, after the store holds it; never for a no-op.
    Sender: the WaiterService. Keyword ``change``: OrderStatusChange,
    frozen; ``change.old != change.new``, and ``None`` for a new order.
    """,
)

session_transferred = _signals.signal(
    "session-transferred",
    doc="""A session has gone to another waiter.

    Sent once per session, after the whole transfer is committed; never for
    a session that was theirs already. Sender: the WaiterService. Keyword
    ``change``: SessionTransfer, frozen;
    ``change.waiter_id != change.previous_waiter_id``.
    """,
)

session_opened = _signals.signal(
    "session-opened",
    doc="""Guests have sat down at a table.

    Sent once per session, after the store holds it. Sender: the
    WaiterService. Keyword ``change``: SessionOpened, frozen.
    """,
)

session_closed = _signals.signal(
    "session-closed",
    doc="""A session has ended; its guest's streams have nothing more to come.

    Sent once per session, after the store holds it; never when it was
    closed already. Staff may still move what is left in it: such changes
    follow. Sender: the WaiterService. Keyword ``change``: SessionClosed,
    frozen.
    """,
)

session_reopened = _signals.signal(
    "session-reopened",
    doc="""A session that was closed by mistake goes on.

    Sent once per reopening, after the store holds it; never when it was open.
    Sender: the WaiterService. Keyword ``change``: SessionReopened, frozen.
    """,
)

BY_KIND: Mapping[str, Signal] = MappingProxyType(
    {
        RequestStatusChange.KIND: request_status_changed,
        OrderStatusChange.KIND: order_status_changed,
        SessionTransfer.KIND: session_transferred,
        SessionOpened.KIND: session_opened,
        SessionClosed.KIND: session_closed,
        SessionReopened.KIND: session_reopened,
    }
)
