"""The part of the service by which waiters come, go, and hand their tables over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

from waiter_service.actors import SYSTEM, Actor
from waiter_service.floor import offers, shifts, transfers
from waiter_service.floor.unit_of_work import UnitOfWork
from waiter_service.transfer_cause import TransferCause
from waiter_service.views import OfferUpdate, ShiftUpdate, TransferResult


class Handovers(ABC):
    """Shifts, transfers and offers: methods of the ``WaiterService``."""

    def start_shift(self, waiter_id: str, *, actor: Actor = SYSTEM) -> ShiftUpdate:
        """Start a waiter's shift. A shift that has started does not change.

        Waiters start their own, managers those of their venue. With its first shift a venue
        begins to use shifts: from then on, waiters off shift are given no tables there.

        Raises:
            UnknownWaiter: ``waiter_id`` does not exist.
        """
        with self._work(actor) as work:
            return shifts.start(work, waiter_id)

    def end_shift(
        self,
        waiter_id: str,
        *,
        to_waiter_id: str | None = None,
        reason: str | None = None,
        actor: Actor = SYSTEM,
    ) -> ShiftUpdate:
        """End a waiter's shift. A shift that has ended does not change.

        With ``to_waiter_id``, all sessions on the waiter's floor go to that waiter in the
        same transaction, as in a transfer. Open offers from and to the waiter are withdrawn.

        Raises:
            TablesInHand: sessions are on the waiter's floor, and nobody takes them over.
                It names them.
            UnknownWaiter: one of the two does not exist, or works in another venue.
            WaiterOffShift: ``to_waiter_id`` is off shift.
        """
        with self._work(actor) as work:
            return shifts.end(work, waiter_id, to_waiter_id=to_waiter_id, reason=reason)

    def transfer_sessions(
        self,
        *,
        to_waiter_id: str,
        from_waiter_id: str | None = None,
        session_ids: Sequence[str] | None = None,
        reason: str | None = None,
        cause: TransferCause | str = TransferCause.SHIFT_CHANGE,
        actor: Actor = SYSTEM,
    ) -> TransferResult:
        """Hand sessions over to another waiter: all of them, or none.

        With ``from_waiter_id`` alone, all sessions on that waiter's floor move: open ones,
        and closed ones with unfinished orders. With ``session_ids``, exactly those move;
        with both, that waiter must hold each of them. Requests and orders go along,
        unchanged. Sessions that ``to_waiter_id`` already holds do not change, so a transfer
        may be repeated. Guests and waiters are told the ``cause``; the ``reason`` stays
        in the audit.

        Raises:
            UnknownWaiter: one of the two does not exist, or works in another venue.
            WaiterOffShift: the venue uses shifts, and ``to_waiter_id`` is off shift.
            TransferRefused: some sessions are unknown, closed or held by another waiter.
                It names each, and nothing has moved.
        """
        with self._work(actor) as work:
            return transfers.transfer(
                work,
                to_waiter_id=to_waiter_id,
                from_waiter_id=from_waiter_id,
                session_ids=session_ids,
                reason=reason,
                cause=cause,
            )

    def offer_sessions(
        self,
        *,
        to_waiter_id: str,
        from_waiter_id: str | None = None,
        session_ids: Sequence[str] | None = None,
        actor: Actor = SYSTEM,
    ) -> OfferUpdate:
        """Offer sessions to another waiter, who has HANDOVER_OFFER_SECONDS to accept.

        Until then nothing moves. Without ``session_ids``, all sessions on the giving waiter's
        floor are offered. Waiters offer their own. An equal open offer is returned, with
        ``changed=False``.

        Raises:
            UnknownWaiter: one of the two does not exist, or works in another venue.
            WaiterOffShift: the venue uses shifts, and ``to_waiter_id`` is off shift.
            TransferRefused: some sessions are unknown, closed or held by another waiter.
            NothingToOffer: nothing is on the giving waiter's floor.
            SessionsOffered: some sessions are in another open offer. It names that offer.
        """
        with self._work(actor) as work:
            return offers.offer(
                work,
                to_waiter_id=to_waiter_id,
                from_waiter_id=from_waiter_id,
                session_ids=session_ids,
            )

    def accept_offer(self, offer_id: str, *, actor: Actor = SYSTEM) -> OfferUpdate:
        """Accept an offer: all of its sessions move in one commit, or none.

        For the waiter to whom it was made, and managers. Accepting again changes nothing.

        Raises:
            UnknownOffer: ``offer_id`` does not exist.
            OfferSettled: it was declined or withdrawn, or it has expired.
            WaiterOffShift: the venue uses shifts, and the receiving waiter is off shift.
            TransferRefused: some sessions were closed or transferred since. It names each,
                nothing has moved, and the offer stays open.
        """
        with self._work(actor) as work:
            return offers.accept(work, offer_id)

    def decline_offer(self, offer_id: str, *, actor: Actor = SYSTEM) -> OfferUpdate:
        """Decline an offer. For the waiter to whom it was made, and managers.

        Raises:
            UnknownOffer: ``offer_id`` does not exist.
            OfferSettled: it was accepted or withdrawn, or it has expired.
        """
        with self._work(actor) as work:
            return offers.decline(work, offer_id)

    def withdraw_offer(self, offer_id: str, *, actor: Actor = SYSTEM) -> OfferUpdate:
        """Withdraw an offer. For the waiter who made it, and managers.

        Raises:
            UnknownOffer: ``offer_id`` does not exist.
            OfferSettled: it was accepted or declined, or it has expired.
        """
        with self._work(actor) as work:
            return offers.withdraw(work, offer_id)

    @abstractmethod
    def _work(self, actor: Actor) -> AbstractContextManager[UnitOfWork]:
        """Run one transaction, then announce its changes."""
