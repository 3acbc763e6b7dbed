"""The deployment guide's first evening creates a waiter, a table and a guest."""

from __future__ import annotations

import re
import shlex

from tests.api.calling import Caller, close_app, open_app
from tests.support.programs import REPOSITORY

GUIDE = REPOSITORY / "docs" / "operations" / "deployment.md"


def test_commands_of_the_first_evening_work_on_an_empty_database(tmp_path):
    section = GUIDE.read_text().partition("## The first evening\n")[2]
    commands = re.findall(r"\bfloor ((?:waiter|session|token)[^\n`)]*)", section)
    app = open_app(tmp_path, f"sqlite:///{tmp_path / 'restaurant.db'}")
    named: dict[str, str] = {}
    said: dict[str, str] = {}

    def run(command: str) -> str:
        words = shlex.split(command)
        done = app.test_cli_runner().invoke(args=[named.get(word, word) for word in words])
        assert (done.exit_code, done.stderr) == (0, ""), command
        said[" ".join(words[:2])] = done.stdout
        return done.stdout

    try:
        run("db upgrade")
        assert [command.split()[:2] for command in commands] == [
            ["waiter", "add"],
            ["waiter", "list"],
            ["session", "open"],
            ["session", "list"],
            ["token", "waiter"],
            ["session", "close"],
            ["session", "reopen"],
        ]
        for command in commands[:4]:
            run(command)
        opened = dict(line.split(": ") for line in said["session open"].splitlines())
        named["$SESSION"] = opened["Session"]
        assert opened["Session"] in said["session list"]

        joined = Caller(app, None).post("/api/join", {"code": opened["Join code"]}).get_json()
        assert joined["session"]["id"] == opened["Session"]
        guest = Caller(app, joined["token"])
        path = f"/api/sessions/{opened['Session']}/requests"
        assert guest.post(path, {"kind": "water"}).status_code == 201

        anna = Caller(app, run(commands[4]).strip())
        [table] = anna.get("/api/waiters/anna/floor").get_json()["sessions"]
        assert [request["kind"] for request in table["requests"]] == ["water"]
        for command in commands[5:]:
            run(command)
    finally:
        close_app(app)
