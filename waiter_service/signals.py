"""The signals: one per kind of change, for receivers in this process.

Each is sent after its change is committed, with the ``WaiterService`` as sender and
the change as keyword ``change``. A process that relays sends changes of the whole
deployment, each of which is sent by one of the relaying processes. Any other process
sends only its own (see ``outbox/outbox.py``).

Not promised: the order of receivers, and that a receiver sees a change only once. A
receiver that raises does not stop the others, but the change is sent again, to all of
them, with the same ``change.id``. Receivers run in the caller's greenlet, so they must
be quick. Signals hold them weakly, so the caller must keep a reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from blinker import Namespace, Signal

from waiter_service.changes import (
    HandoverOffered,
    HandoverSettled,
    OrderStatusChange,
    RequestStatusChange,
    SessionClosed,
    SessionMoved,
    SessionOpened,
    SessionReopened,
    SessionTransfer,
    ShiftChange,
)

_signals = Namespace()

request_status_changed = _signals.signal(
    "request-status-changed",
    doc="""A request was made or moved to another status.

    Sent once per change, after its commit; never for a no-op.
    Sender: the WaiterService. Keyword ``change``: RequestStatusChange,
    frozen; ``change.old != change.new``, and ``None`` for a new request.
    """,
)

order_status_changed = _signals.signal(
    "order-status-changed",
    doc="""An order was placed or moved to another status.

    Sent once per change, after its commit; never for a no-op.
    Sender: the WaiterService. Keyword ``change``: OrderStatusChange,
    frozen; ``change.old != change.new``, and ``None`` for a new order.
    """,
)

session_transferred = _signals.signal(
    "session-transferred",
    doc="""A session went to another waiter.

    Sent once per session, after the whole transfer is committed; never for
    a session that the waiter already held. Sender: the WaiterService. Keyword
    ``change``: SessionTransfer, frozen;
    ``change.waiter_id != change.previous_waiter_id``.
    """,
)

session_opened = _signals.signal(
    "session-opened",
    doc="""Guests sat down at a table.

    Sent once per session, after its commit. Sender: the
    WaiterService. Keyword ``change``: SessionOpened, frozen.
    """,
)

session_closed = _signals.signal(
    "session-closed",
    doc="""A session was closed; its guests' streams end.

    Sent once per session, after its commit; never when it was closed already.
    Staff may still move what is left in it: such changes follow. Sender: the
    WaiterService. Keyword ``change``: SessionClosed, frozen.
    """,
)

session_reopened = _signals.signal(
    "session-reopened",
    doc="""A session that was closed by mistake is open again.

    Sent once per reopening, after its commit; never when it was open.
    Sender: the WaiterService. Keyword ``change``: SessionReopened, frozen.
    """,
)

session_moved = _signals.signal(
    "session-moved",
    doc="""Guests changed tables; their session, requests and orders went along.

    Sent once per move, after its commit; never for the table they already had.
    Sender: the WaiterService. Keyword ``change``: SessionMoved, frozen;
    ``change.table_number != change.previous_table_number``.
    """,
)

shift_changed = _signals.signal(
    "shift-changed",
    doc="""A waiter's shift started or ended.

    Sent once per start and per end, after its commit; never for a no-op.
    Sender: the WaiterService. Keyword ``change``: ShiftChange, frozen.
    """,
)

handover_offered = _signals.signal(
    "handover-offered",
    doc="""A waiter was offered sessions of a colleague.

    Sent once per offer, after its commit. No session has moved. Sender: the
    WaiterService. Keyword ``change``: HandoverOffered, frozen.
    """,
)

handover_settled = _signals.signal(
    "handover-settled",
    doc="""An offer was accepted, declined or withdrawn, or it expired.

    Sent once per offer, after its commit. For an accepted one,
    ``session_transferred`` is sent for each session as well, before or after.
    Sender: the WaiterService. Keyword ``change``: HandoverSettled, frozen.
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
        SessionMoved.KIND: session_moved,
        ShiftChange.KIND: shift_changed,
        HandoverOffered.KIND: handover_offered,
        HandoverSettled.KIND: handover_settled,
    }
)
