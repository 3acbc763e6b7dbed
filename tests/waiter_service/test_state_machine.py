"""In every order of changes the rules hold, and the announcements describe each change."""

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from waiter_service import (
    SYSTEM,
    Actor,
    ActorKind,
    Database,
    FloorQueries,
    OfferOutcome,
    OrderStatus,
    RequestStatus,
    WaiterService,
    allowed_moves,
    signals,
)
from waiter_service.errors import (
    IllegalTransition,
    NothingToOffer,
    NotPermitted,
    OfferSettled,
    OrdersUnfinished,
    SessionClosedError,
    SessionsOffered,
    TableOccupied,
    TablesInHand,
    TransferRefused,
    VersionConflict,
    WaiterOffShift,
)
from waiter_service.views import OrderView, RequestView

WAITERS = ("anna", "ben")
TABLES = st.integers(1, 3)
KINDS = st.sampled_from(["water", "bill"])
REQUEST_STATUSES = st.sampled_from(RequestStatus)
ORDER_STATUSES = st.sampled_from(OrderStatus)
ACTORS = st.sampled_from(
    [SYSTEM, Actor.manager("mia"), *map(Actor.waiter, WAITERS), Actor.guest("SESSION")]
)


class Floor(RuleBasedStateMachine):
    """A model in dictionaries, compared with the real service."""

    migrated: Path
    sessions = Bundle("sessions")
    requests = Bundle("requests")
    orders = Bundle("orders")
    offers = Bundle("offers")

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "restaurant.db"
        shutil.copy(self.migrated, path)
        self.database = Database(f"sqlite:///{path}")
        self.service = WaiterService(self.database, clock=lambda: datetime(2024, 1, 1, tzinfo=UTC))
        self.service.start_relaying()
        self.queries = FloorQueries(self.database)
        for waiter in WAITERS:
            self.service.add_waiter(waiter, waiter)
        self.held = {}  # session -> waiter
        self.tables = {}  # session -> table
        self.on_shift = set()
        self.uses_shifts = False
        self.offered = {}  # id -> [giver, taker, sessions, outcome]
        self.closed = set()
        self.tickets = {}  # id -> (session, status, version)
        self.told = {}  # id -> (status, version), from announcements alone
        self.told_waiter = {}
        self.told_table = {}
        self.told_shifts = set()
        self.told_outcomes = {}
        for signal in signals.BY_KIND.values():
            signal.connect(self.hear)

    def teardown(self):
        for signal in signals.BY_KIND.values():
            signal.disconnect(self.hear)
        self.service.stop_relaying()
        self.database.dispose()
        self.folder.cleanup()

    def hear(self, _sender, *, change):
        if change.KIND == "shift":
            (self.told_shifts.add if change.is_on_shift else self.told_shifts.remove)(
                change.waiter_id
            )
        elif change.KIND.startswith("handover"):
            assert change.version == 1 + (change.offer_id in self.told_outcomes)
            self.told_outcomes[change.offer_id] = getattr(change, "outcome", None)
        else:
            self.told_waiter[change.session_id] = change.waiter_id
            self.told_table[change.session_id] = change.table_number
        ticket_id = getattr(change, "request_id", None) or getattr(change, "order_id", None)
        if ticket_id:
            old = self.told.get(ticket_id, (None, 0))
            assert (change.old, change.version) == (old[0], old[1] + 1)
            self.told[ticket_id] = (change.new, change.version)

    @rule(target=sessions, table=TABLES, waiter=st.sampled_from(WAITERS))
    def open_session(self, table, waiter):
        occupied = self.at_table(table)
        session_id = f"t{table}-{len(self.held)}"
        if not self.may_be_given_tables(waiter):
            with pytest.raises(WaiterOffShift):
                self.service.open_session(table, waiter, session_id=session_id)
            return multiple()
        if occupied:
            with pytest.raises(TableOccupied) as caught:
                self.service.open_session(table, waiter, session_id=session_id)
            assert [caught.value.session_id] == occupied
            return occupied[0]
        self.seat(session_id, table, waiter)
        return session_id

    def seat(self, session, table, waiter):
        self.service.open_session(table, waiter, session_id=session)
        self.held[session] = waiter
        self.tables[session] = table

    def at_table(self, table):
        return [s for s in self.held if self.tables[s] == table and s not in self.closed]

    def may_be_given_tables(self, waiter):
        return not self.uses_shifts or waiter in self.on_shift

    def floor_of(self, waiter):
        return {s for s, w in self.held.items() if w == waiter and self.is_on_floor(s)}

    @rule(session=sessions)
    def close_session(self, session):
        left = {id_ for id_, ticket in self.tickets.items() if self.is_left(session, ticket)}
        if session not in self.closed and left:
            with pytest.raises(OrdersUnfinished) as caught:
                self.service.close_session(session)
            assert set(caught.value.order_ids) == left
        result = self.service.close_session(session, force=True, reason="closing time")
        assert result.changed is (session not in self.closed)
        self.closed.add(session)

    def is_left(self, session, ticket):
        """Return whether a ticket keeps a closed session on the floor."""
        served = {OrderStatus.DELIVERED, OrderStatus.PAID, OrderStatus.CANCELLED}
        served.add(OrderStatus.REJECTED)
        is_order = isinstance(ticket[1], OrderStatus)
        return ticket[0] == session and is_order and ticket[1] not in served

    def is_on_floor(self, session):
        is_open = session not in self.closed
        return is_open or any(self.is_left(session, each) for each in self.tickets.values())

    @rule(session=sessions)
    def reopen_session(self, session):
        if session in self.closed and not self.may_be_given_tables(self.held[session]):
            with pytest.raises(WaiterOffShift):
                self.service.reopen_session(session)
            return
        if session in self.closed and self.at_table(self.tables[session]):
            with pytest.raises(TableOccupied):
                self.service.reopen_session(session)
            return
        assert self.service.reopen_session(session).changed is (session in self.closed)
        self.closed.discard(session)

    @rule(target=requests, session=sessions, kind=KINDS)
    def ask(self, session, kind):
        request_id = f"r{len(self.tickets)}"
        try:
            result = self.service.create_request(session, kind, request_id=request_id)
        except SessionClosedError:
            assert session in self.closed
            return self.ask(self.seat_somewhere(), kind)
        assert session not in self.closed
        if result.created:
            self.tickets[request_id] = (session, RequestStatus.NEW, 1)
        else:
            assert self.tickets[result.request.id][1].is_open
        return result.request.id

    def seat_somewhere(self):
        """Open a session at an unused table, for rules that need an open one."""
        session = f"x-{len(self.held)}"
        if not self.may_be_given_tables("anna"):
            self.start_shift("anna")
        self.seat(session, 1000 + len(self.held), "anna")
        return session

    @rule(target=orders, session=sessions, quantity=st.integers(1, 99))
    def order(self, session, quantity):
        order_id = f"o{len(self.tickets)}"
        items = [{"name": "Tea", "quantity": quantity}]
        if session in self.closed:
            with pytest.raises(SessionClosedError):
                self.service.place_order(session, items)
            session = self.seat_somewhere()
        self.service.place_order(session, items, order_id=order_id)
        self.tickets[order_id] = (session, OrderStatus.NEW, 1)
        return order_id

    @rule(
        request=requests,
        status=st.sampled_from(RequestStatus),
        actor=ACTORS,
        behind=st.integers(-1, 1),
    )
    def move_request(self, request, status, actor, behind):
        self.move(self.service.update_request_status, request, status, actor, behind)

    @rule(
        order=orders, status=st.sampled_from(OrderStatus), actor=ACTORS, behind=st.integers(-1, 1)
    )
    def move_order(self, order, status, actor, behind):
        self.move(self.service.update_order_status, order, status, actor, behind)

    def move(self, update, ticket_id, status, actor, behind):
        session, current, version = self.tickets[ticket_id]
        if actor.kind is ActorKind.GUEST:
            actor = Actor.guest(session)
        expected = None if behind < 0 else max(1, version - behind)
        allowed = allowed_moves(current, actor.kind)
        is_stranger = actor.kind is ActorKind.WAITER and self.held[session] != actor.id
        refusals = {
            NotPermitted: is_stranger,
            SessionClosedError: actor.is_guest and session in self.closed,
            VersionConflict: expected not in (None, version),
            IllegalTransition: status is not current and status not in allowed,
        }
        for error, is_expected in refusals.items():
            if is_expected:
                with pytest.raises(error):
                    update(ticket_id, status, actor=actor, expected_version=expected)
                return
        result = update(ticket_id, status, actor=actor, expected_version=expected)
        assert result.changed is (status is not current)
        if result.changed:
            self.tickets[ticket_id] = (session, status, version + 1)

    @rule(giver=st.sampled_from(WAITERS), taker=st.sampled_from(WAITERS))
    def hand_over(self, giver, taker):
        expected = self.floor_of(giver) if giver != taker else set()
        if expected and not self.may_be_given_tables(taker):
            with pytest.raises(WaiterOffShift):
                self.service.transfer_sessions(from_waiter_id=giver, to_waiter_id=taker)
            return
        result = self.service.transfer_sessions(from_waiter_id=giver, to_waiter_id=taker)
        assert {session.id for session in result.moved} == expected
        self.held.update(dict.fromkeys(expected, taker))

    @rule(session=sessions, table=TABLES)
    def move_guests(self, session, table):
        refusals = {
            SessionClosedError: session in self.closed,
            TableOccupied: self.tables[session] != table and bool(self.at_table(table)),
        }
        for error, is_expected in refusals.items():
            if is_expected:
                with pytest.raises(error):
                    self.service.move_session(session, table)
                return
        changed = self.service.move_session(session, table).changed
        assert changed is (self.tables[session] != table)
        self.tables[session] = table

    @rule(waiter=st.sampled_from(WAITERS))
    def start_shift(self, waiter):
        assert self.service.start_shift(waiter).changed is (waiter not in self.on_shift)
        self.on_shift.add(waiter)
        self.uses_shifts = True

    @rule(waiter=st.sampled_from(WAITERS), has_heir=st.booleans())
    def end_shift(self, waiter, has_heir):
        heir = next(each for each in WAITERS if each != waiter) if has_heir else None
        floor = self.floor_of(waiter)
        is_working = waiter in self.on_shift
        refusals = {
            WaiterOffShift: is_working and heir is not None and heir not in self.on_shift,
            TablesInHand: is_working and heir is None and bool(floor),
        }
        for error, is_expected in refusals.items():
            if is_expected:
                with pytest.raises(error):
                    self.service.end_shift(waiter, to_waiter_id=heir)
                return
        result = self.service.end_shift(waiter, to_waiter_id=heir)
        assert result.changed is is_working
        assert {session.id for session in result.moved} == (floor if is_working else set())
        if is_working:
            self.on_shift.remove(waiter)
            self.held.update(dict.fromkeys(floor, heir))
            self.settle(OfferOutcome.WITHDRAWN, lambda offer: waiter in offer[:2])

    def settle(self, outcome, is_meant):
        for offer in self.offered.values():
            if offer[3] is None and is_meant(offer):
                offer[3] = outcome

    @rule(target=offers, giver=st.sampled_from(WAITERS), chosen=st.none() | sessions)
    def offer(self, giver, chosen):
        taker = next(each for each in WAITERS if each != giver)
        floor = self.floor_of(giver)
        wanted = floor if chosen is None else {chosen}
        ids = None if chosen is None else [chosen]
        rivals = {
            key: each
            for key, each in self.offered.items()
            if each[3] is None and each[0] == giver and each[2] & wanted
        }
        equal = [key for key, each in rivals.items() if each[2] == wanted]
        refusals = {
            WaiterOffShift: not self.may_be_given_tables(taker),
            NothingToOffer: not wanted,
            TransferRefused: not wanted <= floor,
            SessionsOffered: bool(rivals) and not equal,
        }
        for error, is_expected in refusals.items():
            if is_expected:
                with pytest.raises(error):
                    self.service.offer_sessions(
                        from_waiter_id=giver, to_waiter_id=taker, session_ids=ids
                    )
                return multiple()
        result = self.service.offer_sessions(
            from_waiter_id=giver, to_waiter_id=taker, session_ids=ids
        )
        assert (result.changed, [result.id]) == (not equal, equal or [result.id])
        self.settle(
            OfferOutcome.WITHDRAWN, lambda each: each[0] != giver and bool(each[2] & wanted)
        )
        self.offered.setdefault(result.id, [giver, taker, frozenset(wanted), None])
        return result.id

    @rule(offer_id=offers, outcome=st.sampled_from(["accept", "decline", "withdraw"]))
    def settle_offer(self, offer_id, outcome):
        giver, taker, wanted, before = self.offered[offer_id]
        settle = getattr(self.service, f"{outcome}_offer")
        after = {
            "accept": OfferOutcome.ACCEPTED,
            "decline": OfferOutcome.DECLINED,
            "withdraw": OfferOutcome.WITHDRAWN,
        }[outcome]
        is_acceptance = after is OfferOutcome.ACCEPTED and before is None
        refusals = {
            OfferSettled: before not in (None, after),
            WaiterOffShift: is_acceptance and not self.may_be_given_tables(taker),
            TransferRefused: is_acceptance and not wanted <= self.floor_of(giver),
        }
        for error, is_expected in refusals.items():
            if is_expected:
                with pytest.raises(error):
                    settle(offer_id)
                return
        assert settle(offer_id).changed is (before is None)
        self.offered[offer_id][3] = after
        if is_acceptance:
            self.held.update(dict.fromkeys(wanted, taker))

    @invariant()
    def announcements_describe_every_change(self):
        assert self.service.pending_count() == 0
        assert self.told == {key: value[1:] for key, value in self.tickets.items()}
        assert self.told_waiter == self.held
        assert self.told_table == self.tables
        assert self.told_shifts == self.on_shift
        assert self.told_outcomes == {key: each[3] for key, each in self.offered.items()}

    @invariant()
    def a_session_is_in_one_open_offer_at_most(self):
        in_offers = [s for each in self.offered.values() if each[3] is None for s in each[2]]
        assert len(in_offers) == len(set(in_offers))

    @invariant()
    def floors_show_open_work(self):
        for waiter in WAITERS:
            shown = {each.session.id for each in self.queries.waiter_floor(waiter).sessions}
            assert shown == self.floor_of(waiter)

    @invariant()
    def the_store_agrees(self):
        for session_id in self.held:
            snapshot = self.queries.session_snapshot(session_id)
            assert snapshot.session.is_open is (session_id not in self.closed)
            tickets: list[RequestView | OrderView] = [*snapshot.requests, *snapshot.orders]
            for ticket in tickets:
                assert self.tickets[ticket.id] == (session_id, ticket.status, ticket.version)


@pytest.mark.parametrize("games", [8, pytest.param(25, marks=pytest.mark.long)])
def test_the_rules_hold_in_every_sequence_of_changes(tmp_path, games):
    Floor.migrated = tmp_path / "migrated.db"
    database = Database(f"sqlite:///{Floor.migrated}")
    database.upgrade()
    database.dispose()
    run_state_machine_as_test(
        Floor,
        settings=settings(
            max_examples=games,
            stateful_step_count=25,
            suppress_health_check=list(HealthCheck),
        ),
    )
