"""Guests join a table by its code, each with their own token."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import gevent
import jwt
import pytest

from notifications.entrance.rates import RateLimits
from tests.api.calling import Caller, close_app, open_app
from tests.support.service_server import SECRET, copy_sqlite
from tests.support.waiting import wait_until

MAX_FAILURES = RateLimits().failed_joins
CODE = re.compile(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}")
JOIN_CODE = "/api/sessions/table-7/join-code"


def join(anonymous, code):
    return anonymous.post("/api/join", {"code": code})


@pytest.fixture
def code(anna):
    return anna.post(JOIN_CODE).json["joinCode"]


def test_each_guest_gets_a_token_of_their_own(app, anonymous, code):
    first, second = join(anonymous, code), join(anonymous, code)

    claims = [
        jwt.decode(answer.json["token"], SECRET, algorithms=["HS256"]) for answer in (first, second)
    ]
    assert [(each["role"], each["sub"]) for each in claims] == [("customer", "table-7")] * 2
    assert claims[0]["jti"] != claims[1]["jti"]
    assert first.json["session"]["id"] == "table-7"
    assert first.headers["Cache-Control"] == "no-store"
    guest = Caller(app, first.json["token"])
    assert guest.get("/api/sessions/table-7").status_code == 200
    assert guest.get("/api/sessions/table-5").status_code == 404


def test_a_code_is_twelve_characters_in_groups_and_is_shown_again(anna, manager, code):
    assert CODE.fullmatch(code)
    for staff in (anna, manager):
        shown = staff.get(JOIN_CODE)
        assert (shown.status_code, shown.json["joinCode"]) == (200, code)
        assert shown.headers["Cache-Control"] == "no-store"
        assert shown.json["joinUrl"] is None


def test_a_code_is_read_in_every_usual_spelling(anonymous, code):
    bare = code.replace("-", "")
    misread = bare.replace("0", "O").replace("1", "l")
    spoken = bare.replace("1", "I")
    for written in (bare, bare.lower(), code.lower(), f" {code} ", misread, spoken):
        assert join(anonymous, written).status_code == 200, written


def test_every_invalid_code_gets_the_same_answer(anna, anonymous, manager, code):
    ended = code
    current = anna.post(JOIN_CODE).json["joinCode"]
    closed = manager.post("/api/sessions", {"tableNumber": 3, "waiterId": "ben"}).json
    manager.post(f"/api/sessions/{closed['session']['id']}/close")
    wrong = ("0000-0000-0000", "", "U" * 12, "x" * 5000, "\u212a" * 12, ended, closed["joinCode"])

    answers = [join(anonymous, each) for each in wrong]

    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json["code"] for answer in answers} == {"join_code_invalid"}
    assert len({answer.json["detail"] for answer in answers}) == 1
    assert join(anonymous, current).status_code == 200


@pytest.mark.parametrize("body", [{}, {"code": 7}, {"code": None}, {"code": "x", "table": 7}])
def test_a_body_without_a_code_is_422(anonymous, body):
    assert anonymous.post("/api/join", body).status_code == 422


def test_a_code_serves_the_permitted_number_of_guests(tmp_path, seeded_sqlite):
    app = open_app(tmp_path, copy_sqlite(seeded_sqlite, tmp_path), MAX_GUESTS=2)
    anna, anonymous = Caller.who_is(app, "waiter", "anna"), Caller(app, None)
    code = anna.post(JOIN_CODE).get_json()["joinCode"]
    assert [join(anonymous, code).status_code for _ in range(3)] == [200, 200, 404]
    assert anna.get(JOIN_CODE).status_code == 404
    assert join(anonymous, anna.post(JOIN_CODE).get_json()["joinCode"]).status_code == 200
    close_app(app)


def test_codes_are_for_the_tables_waiter_and_managers(anna, ben, guest, manager, code):
    for path in (JOIN_CODE, f"{JOIN_CODE}.svg", "/api/sessions/table-7/joins"):
        assert ben.get(path).status_code == 404
        unknown = ben.get(path.replace("table-7", "nowhere"))
        assert ben.get(path).json["detail"] == unknown.json["detail"]
        assert guest.get(path).status_code == 403
    assert ben.post(JOIN_CODE).status_code == 404
    assert guest.post(JOIN_CODE).status_code == 403


def test_a_closing_a_transfer_and_a_new_code_each_end_a_code(
    anna, ben, manager, anonymous, app, service
):
    revocations = app.extensions["revocations"]
    endings = {
        "another code": lambda: anna.post(JOIN_CODE),
        "session revoked": lambda: revocations.revoke_session("table-7"),
        "waiter revoked": lambda: revocations.revoke_waiter("anna"),
        "transfer": lambda: service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"]),
        "closing": lambda: service.close_session("table-7", force=True, reason="test"),
    }
    for name, end in endings.items():
        code = manager.post(JOIN_CODE).json["joinCode"]
        end()
        assert join(anonymous, code).status_code == 404, name
    assert manager.get(JOIN_CODE).status_code == 404
    closed = manager.post(JOIN_CODE)
    assert (closed.status_code, closed.json["sessionId"]) == (409, "table-7")


def test_a_qr_code_contains_the_page_to_join_by(tmp_path, seeded_sqlite):
    url = "https://app.example.com/join#{code}"
    app = open_app(tmp_path, copy_sqlite(seeded_sqlite, tmp_path), JOIN_URL=url)
    anna = Caller.who_is(app, "waiter", "anna")
    opened = anna.post("/api/sessions", {"tableNumber": 3}).get_json()
    assert opened["joinUrl"] == f"https://app.example.com/join#{opened['joinCode']}"

    drawn = anna.get(f"/api/sessions/{opened['session']['id']}/join-code.svg")

    assert (drawn.status_code, drawn.content_type) == (200, "image/svg+xml")
    assert drawn.headers["Cache-Control"] == "no-store"
    assert ElementTree.fromstring(drawn.data).tag.endswith("svg")  # noqa: S314 - our own
    assert opened["joinCode"] in drawn.text
    close_app(app)


def test_a_manager_lists_the_guests_who_joined_and_withdraws_one(
    app, anna, manager, anonymous, code
):
    tokens = [join(anonymous, code).json["token"] for _ in range(2)]
    joins = manager.get("/api/sessions/table-7/joins").json["joins"]
    jtis = [jwt.decode(token, SECRET, algorithms=["HS256"])["jti"] for token in tokens]
    assert [each["jti"] for each in joins] == jtis
    assert {each["address"] for each in joins} == {"127.0.0.1"}

    revoke = f"/api/sessions/table-7/joins/{jtis[0]}/revoke"
    assert anna.post(revoke).status_code == 403
    assert manager.post(revoke.replace(jtis[0], "another")).status_code == 404
    assert manager.post(revoke.replace("table-7", "table-9")).status_code == 404
    assert manager.post(revoke).json == {"jti": jtis[0]}

    first, second = (Caller(app, token) for token in tokens)

    def status():
        gevent.sleep(0.02)  # in which the process reads the revocations
        return first.get("/api/sessions/table-7").status_code

    wait_until(lambda: status() == 401)
    assert second.get("/api/sessions/table-7").status_code == 200


def test_only_an_address_that_guesses_codes_has_to_wait(anonymous, code):
    def guess(address, wrong="0000-0000-0000"):
        headers = {"X-Forwarded-For": address}
        return anonymous.post("/api/join", {"code": wrong}, headers=headers)

    for _ in range(MAX_FAILURES):
        assert guess("192.0.2.7").status_code == 404
        assert guess("192.0.2.8", code).status_code in (200, 404)
    refused = guess("192.0.2.7")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert guess("192.0.2.9").status_code == 404


def test_a_right_code_is_accepted_from_an_address_that_has_to_wait(anonymous, code):
    wrong = [join(anonymous, "0000-0000-0000").status_code for _ in range(MAX_FAILURES + 2)]
    assert wrong[-3:] == [404, 429, 429]
    assert join(anonymous, code).status_code == 200
    assert join(anonymous, "0000-0000-0000").status_code == 429


def test_only_a_trusted_proxy_can_set_the_client_address(anonymous):
    def guess(number):
        return anonymous.post(
            "/api/join",
            {"code": "0000-0000-0000"},
            headers={"X-Forwarded-For": f"192.0.2.{number}"},
            environ_overrides={"REMOTE_ADDR": "198.51.100.1"},
        )

    answers = [guess(number).status_code for number in range(MAX_FAILURES + 1)]
    assert answers[-2:] == [404, 429]
