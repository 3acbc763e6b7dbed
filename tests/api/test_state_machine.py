"""The API follows the contract in every sequence of calls by guests, waiters and managers."""

import json
import re
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from jsonschema import Draft202012Validator

from api.openapi import document
from tests.api.calling import Caller, close_app, open_app
from tests.api.floor_model import (
    ON_THE_FLOOR,
    ORDER_MOVES,
    REQUEST_MOVES,
    FloorModel,
    Sitting,
    Ticket,
    Who,
)

WAITERS = ("anna", "ben")
MIA = Who("manager", "mia")
ALL_STATUSES = sorted({*REQUEST_MOVES, *ORDER_MOVES})
SPELLINGS = (str, str.lower, str.upper, lambda text: text.replace("I", "-i"))
DOCUMENT = json.loads(document.document())


def assert_documented(method, template, answer):
    """Assert that the document has this status, and that the body is as documented."""
    operation = DOCUMENT["paths"][f"/api{template}"][method.lower()]
    promised = operation["responses"].get(str(answer.status_code))
    assert promised is not None, f"{method} {template} answered {answer.status_code}"
    schema = promised["content"][answer.mimetype]["schema"]
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(answer.json)


class Floor(RuleBasedStateMachine):
    """The API compared with its model. Any caller tries any call; the model knows who may.

    Each step has its own random generator, so that a failure shrinks to the
    steps that matter. If Hypothesis makes each choice itself, the choices repeat
    so often that few runs reach a delivered order.
    """

    seeded: Path

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        directory = Path(self.folder.name)
        shutil.copy(self.seeded, directory / "restaurant.db")
        # The model has no clock, and a run makes a whole evening's changes in a second.
        self.app = open_app(
            directory, f"sqlite:///{directory}/restaurant.db", GUEST_CHANGES_PER_MINUTE=0
        )
        self.callers = {}
        self.keys = 0
        self.model = FloorModel(WAITERS)
        self.model.sessions = {
            "table-5": Sitting(5, "anna"),
            "table-7": Sitting(7, "anna"),
            "table-9": Sitting(9, "ben"),
        }
        self.model.tickets = {
            "req-1": Ticket("requests", "table-7", "napkins"),
            "ord-1": Ticket("orders", "table-7"),
        }

    def teardown(self):
        assert self.app.extensions["waiter_service"].pending_count() == 0
        close_app(self.app)
        self.folder.cleanup()

    @rule(dice=st.randoms(use_true_random=True))
    def step(self, dice):
        moves, asks = [self.move] * 10, [self.ask, self.ask, self.order]
        rare = [self.close, self.open_table, self.reopen, self.transfer, self.look]
        dice.choice(moves + asks + rare)(dice)

    # Choosing

    def some_caller(self, dice, session_id):
        """Return a caller: mostly one who may make the call, sometimes any other."""
        waiter = self.model.sessions[session_id].waiter
        likely = [Who("guest", session_id), Who("waiter", waiter), MIA]
        strangers = [Who("waiter", each) for each in (*WAITERS, "zoe")]
        strangers += [Who("guest", self.some_session(dice)), Who("guest", "nowhere")]
        return dice.choice(likely if dice.random() < 0.7 else strangers)

    def some_session(self, dice):
        newest = list(self.model.sessions)[-5:]
        return dice.choice([*self.model.sessions, *newest])

    # Calling

    def call(self, who, method, template, id_="", body=None, **options):
        if who not in self.callers:
            role = "customer" if who.role == "guest" else who.role
            self.callers[who] = Caller.who_is(self.app, role, who.id)
        path = "/api" + re.sub(r"{\w+}", id_, template)
        answer = self.callers[who].call(method, path, json=body, **options)
        note(f"{who.role} {who.id}: {method} {path} {body or ''} -> {answer.status_code}")
        assert_documented(method, template, answer)
        return answer

    def post(self, who, template, id_="", body=None):
        """Send the call. If it succeeds, repeat it with the same key: nothing more may happen."""
        self.keys += 1
        headers = {"Idempotency-Key": f"key-{self.keys}"}
        first = self.call(who, "POST", template, id_, body, headers=headers)
        if first.status_code < 400:
            again = self.call(who, "POST", template, id_, body, headers=headers)
            assert again.status_code == first.status_code
            assert again.headers["Idempotent-Replayed"] == "true"
            assert again.json.get("session", again.json) == first.json.get("session", first.json)
        return first

    # Changes

    def open_table(self, dice):
        who = self.some_caller(dice, "table-7")
        table = dice.choice([5, 7, 8])
        waiter = dice.choice([None, None, "anna", "ben", "zoe"])
        body = {"tableNumber": table} | ({"waiterId": waiter} if waiter else {})
        expected = self.model.open_table(who, table, waiter)
        answer = self.post(who, "/sessions", body=body)
        assert answer.status_code == expected
        if expected == 201:
            session = answer.json["session"]
            self.model.sessions[session["id"]] = Sitting(table, waiter or who.id)

    def close(self, dice):
        if sum(each.is_open for each in self.model.sessions.values()) < 3:
            self.open_table(dice)
        session = self.some_session(dice)
        who = self.some_caller(dice, session)
        force = dice.random() < 0.5
        left = self.model.left(session)
        expected = self.model.close(who, session, force=force)
        body = {"force": True, "reason": "gone"} if force else None
        answer = self.post(who, "/sessions/{sessionId}/close", session, body)
        assert answer.status_code == expected
        if expected == 409:
            assert set(answer.json["orderIds"]) == left

    def reopen(self, dice):
        session = self.some_session(dice)
        who = self.some_caller(dice, session)
        expected = self.model.reopen(who, session)
        answer = self.post(who, "/sessions/{sessionId}/reopen", session)
        assert answer.status_code == expected

    def ask(self, dice):
        session = self.some_session(dice)
        who = self.some_caller(dice, session)
        kind = dice.choice(["water", "bill", " Bill "])
        folded = kind.strip().lower()
        expected, open_one = self.model.ask(who, session, folded)
        answer = self.post(who, "/sessions/{sessionId}/requests", session, {"kind": kind})
        assert answer.status_code == expected
        if expected == 200:
            assert answer.json["id"] == open_one
        elif expected == 201:
            self.model.tickets[answer.json["id"]] = Ticket("requests", session, folded)

    def order(self, dice):
        session = self.some_session(dice)
        who = self.some_caller(dice, session)
        quantity = dice.randint(1, 99)
        body = {"items": [{"name": "Tea", "quantity": quantity}]}
        expected = self.model.order(who, session)
        answer = self.post(who, "/sessions/{sessionId}/orders", session, body)
        assert answer.status_code == expected
        if expected == 201:
            assert answer.json["itemCount"] == quantity
            self.model.tickets[answer.json["id"]] = Ticket("orders", session)

    def move(self, dice):
        unfinished = [
            id_ for id_, ticket in self.model.tickets.items() if self.model.allowed(MIA, ticket)
        ]
        most = unfinished if dice.random() < 0.9 else []
        ticket_id = dice.choice(most or list(self.model.tickets))
        known = self.model.tickets[ticket_id]
        who = self.some_caller(dice, known.session)
        was, was_allowed = known.status, self.model.allowed(who, known)
        likely = sorted(was_allowed) if dice.random() < 0.8 else []
        status = dice.choice(likely or ALL_STATUSES)
        body = {"status": dice.choice(SPELLINGS)(status)}
        version = known.version + dice.choice([0, 0, 0, 0, -1, 1])
        if version and dice.random() < 0.5:
            body["expectedVersion"] = version

        expected = self.model.move(who, ticket_id, status, body.get("expectedVersion"))
        template = f"/{known.sort}/{{{known.sort.removesuffix('s')}Id}}"
        answer = self.call(who, "PATCH", template, ticket_id, body)
        assert answer.status_code == expected
        if expected == 200:
            self.assert_shown(who, ticket_id, answer.json)
        elif expected == 409 and "sessionId" not in answer.json:
            assert answer.json["currentStatus"] == was
            assert answer.json["requestedStatus"] == status
            assert set(answer.json["allowed"]) == was_allowed
            assert answer.json["version"] == known.version

    def transfer(self, dice):
        giver, taker = dice.choices(["anna", "ben", "zoe"], weights=[5, 5, 1], k=2)
        who = dice.choice([Who("waiter", giver)] * 4 + [MIA] * 4 + [Who("waiter", "anna")])
        held = [id_ for id_, session in self.model.sessions.items() if session.waiter == giver]
        chosen = dice.sample(held, min(len(held), dice.randint(1, 2)))
        if dice.random() < 0.3:
            chosen.append(dice.choice([*self.model.sessions, "nowhere"]))
        chosen = chosen if dice.random() < 0.8 else []
        body = {"toWaiterId": taker} | ({"sessionIds": chosen} if chosen else {})
        for _ in range(2):  # done twice, it is done once
            expected, moved = self.model.transfer(who, giver, taker, chosen or None)
            answer = self.post(who, "/waiters/{waiterId}/transfers", giver, body)
            assert answer.status_code == expected
            if expected == 200:
                assert {session["id"] for session in answer.json["moved"]} == moved

    # Reads

    def look(self, dice):
        session = self.some_session(dice)
        who = self.some_caller(dice, session)
        self.look_at_session(who, session)
        self.look_at_floor(who, self.model.sessions[session].waiter)

    def look_at_session(self, who, session):
        answer = self.call(who, "GET", "/sessions/{sessionId}", session)
        if not self.model.is_theirs(who, session):
            assert answer.status_code == 404
            return
        known = self.model.sessions[session]
        assert answer.json["tableNumber"] == known.table
        assert answer.json["waiterId"] == known.waiter
        assert answer.json["version"] == known.version
        assert (answer.json["closedAt"] is None) is known.is_open
        self.assert_all_shown(who, answer.json, lambda ticket: ticket.session == session)

    def look_at_floor(self, who, waiter):
        answer = self.call(who, "GET", "/waiters/{waiterId}/floor", waiter)
        figures = self.call(who, "GET", "/waiters/{waiterId}/analytics", waiter)
        assert figures.status_code == answer.status_code
        if who.role == "guest":
            assert answer.status_code == 403
        elif who.role == "waiter" and who.id != waiter:
            assert answer.status_code == 404
        else:
            self.assert_floor(who, waiter, answer.json, figures.json)

    def assert_floor(self, who, waiter, floor, figures):
        held = {id_: s for id_, s in self.model.sessions.items() if s.waiter == waiter}
        open_ = {id_ for id_, session in held.items() if session.is_open}
        shown = {id_ for id_ in held if self.model.is_on_floor(id_)}
        assert {session["id"] for session in floor["sessions"]} == shown
        tables = [session["tableNumber"] for session in floor["sessions"]]
        assert tables == sorted(tables)
        for table in floor["sessions"]:
            self.assert_all_shown(
                who,
                table,
                lambda ticket, id_=table["id"]: (
                    ticket.session == id_ and ticket.status in ON_THE_FLOOR[ticket.sort]
                ),
            )
        assert figures["openSessions"] == len(open_)
        assert figures["closedSessions"] == len(held) - len(open_)
        for sort in ("requests", "orders"):
            known = [t for t in self.model.tickets.values() if t.sort == sort and t.session in held]
            assert figures[sort]["total"] == len(known)

    def assert_all_shown(self, who, table, which):
        shown = {each["id"]: each for each in (*table["requests"], *table["orders"])}
        assert shown.keys() == {id_ for id_, each in self.model.tickets.items() if which(each)}
        for ticket_id, each in shown.items():
            self.assert_shown(who, ticket_id, each)

    def assert_shown(self, who, ticket_id, shown):
        known = self.model.tickets[ticket_id]
        assert shown["sessionId"] == known.session
        assert (shown["status"], shown["version"]) == (known.status, known.version)
        assert set(shown["allowed"]) == self.model.allowed(who, known)


@pytest.mark.timeout(600)  # Hypothesis shrinks a failure before it shows it
@pytest.mark.parametrize("games", [4, pytest.param(15, marks=pytest.mark.long)])
def test_the_api_follows_the_contract_in_every_sequence_of_calls(seeded_sqlite, games):
    Floor.seeded = seeded_sqlite
    run_state_machine_as_test(
        Floor,
        settings=settings(
            max_examples=games,
            stateful_step_count=120,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
