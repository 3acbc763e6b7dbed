"""The command line: its output, its changes and its refusals."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from click.testing import Result
from sqlalchemy import select

from app import create_app
from tests.support.programs import REPOSITORY, end
from tests.support.service_server import SECRET, copy_sqlite
from tests.support.waiting import wait_until
from waiter_service import Database, WaiterService, __version__
from waiter_service.store.models import RevocationRow

Run = Callable[..., Result]


def runner(tmp_path: Path, database_url: str) -> Run:
    app = create_app(
        {
            "INSTANCE_DIR": str(tmp_path),
            "DATABASE_URL": database_url,
            "JWT_SECRET_KEY": SECRET,
            "LOG_LEVEL": "WARNING",
        }
    )
    return lambda *words: app.test_cli_runner().invoke(args=list(words))


@pytest.fixture
def database_url(tmp_path: Path, seeded_sqlite: Path) -> str:
    return copy_sqlite(seeded_sqlite, tmp_path)


@pytest.fixture
def run(tmp_path: Path, database_url: str) -> Run:
    return runner(tmp_path, database_url)


@pytest.mark.parametrize("role", ["customer", "waiter", "manager"])
def test_token_prints_only_a_token(run, role):
    result = run("token", role, "anna", "--expires-in", "60")

    claims = jwt.decode(result.stdout.strip(), SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["role"]) == ("anna", role)
    assert 0 < claims["exp"] - time.time() <= 60
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "venue"),
    [
        (("waiter", "anna"), None),
        (("waiter", "carla"), "north"),
        (("manager", "boss"), None),
        (("manager", "boss", "--venue", "north"), "north"),
        (("manager", "boss", "--venue", "*"), "*"),
        (("service", "till", "--venue", "north"), "north"),
        (("kitchen", "north"), "north"),
        (("kitchen", "main"), None),
        (("display", "north"), "north"),
    ],
)
def test_token_names_the_venue_of_its_bearer(run, database_url, words, venue):
    database = Database(database_url)
    service = WaiterService(database)
    service.add_venue("north")
    service.add_waiter("carla", "Carla", venue_id="north")
    database.dispose()

    result = run("token", *words)

    claims = jwt.decode(result.stdout.strip(), SECRET, algorithms=["HS256"])
    assert (claims["role"], claims["sub"], claims.get("venue")) == (*words[:2], venue)


def test_token_for_an_impossible_venue_is_refused(run):
    result = run("token", "manager", "boss", "--venue", "a b")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "venue: must be" in result.stderr


def test_version_prints_only_the_release(run: Run) -> None:
    assert run("version").stdout == f"{__version__}\n"


def test_a_token_from_the_command_line_opens_a_stream(server):
    token = runner(server.directory, server.database_url)("token", "waiter", "anna").stdout.strip()

    assert server.listen_waiter("anna", token=token).status == 200


@pytest.mark.parametrize("seconds", ["0", "2592001", "99999999999999"])
def test_a_token_lives_no_longer_than_it_can_be_revoked(run, seconds):
    result = run("token", "waiter", "anna", "--expires-in", seconds)

    assert result.exit_code == 2
    assert "1<=x<=2592000" in result.stderr
    assert run("token", "waiter", "anna", "--expires-in", "2592000").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        *(("token", "waiter", name) for name in ("", "a b/../c", "x\ny", "x" * 300, "\udce9")),
        *(("token", "manager", name) for name in (" ", "x\0y", "x" * 129, "\udce9")),
        ("token", "customer", "table 7"),
    ],
)
def test_an_invalid_subject_gets_no_token(run, words):
    result = run(*words)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(("Error: ID: must be", "Error: actor: must not"))
    assert result.stderr.count("\n") == 1


def test_a_managers_id_may_be_any_text(run):
    assert run("token", "manager", "Mia Müller <mia@example.com>").exit_code == 0


def test_an_unknown_role_is_refused(run):
    result = run("token", "cook", "anna")

    assert result.exit_code == 2
    assert "'cook'" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--waiter", "anna"), "Revoked: anna."),
        (("--session", "table-7", "--jti", "1234"), "Revoked: table-7."),
        (("--manager", "Mia Müller <mia@example.com>"), "Revoked: Mia Müller"),
        (("--manager", "boss", "--venue", "*"), "Revoked: boss."),
        (("--kitchen", "main", "--display", "main"), "Revoked: main."),
        (("--service", "till"), "Revoked: till."),
        (("--waiter", "anba", "--force"), "Revoked: anba."),
    ],
)
def test_revoking_access_prints_a_confirmation(run, words, said):
    result = run("token", "revoke", *words)

    assert result.exit_code == 0
    assert said in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--waiter", "anba"), "no such waiter: 'anba'"),
        (("--session", "table-70"), "no such session: 'table-70'"),
        (("--waiter", "\udce9"), "waiter_id: must be"),
        (("--waiter", "anna", "--session", "table-70"), "no such session: 'table-70'"),
        (("--manager", "boss", "--venue", "north"), "no such venue: 'north'"),
        (("--kitchen", "north"), "no such venue: 'north'"),
        (("--waiter", "anna", "--manager", " "), "manager_id: must not be empty"),
    ],
)
def test_revoking_an_unknown_id_is_refused_and_changes_nothing(run, database_url, words, said):
    result = run("token", "revoke", *words)

    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    database = Database(database_url)
    with database.reading() as orm:
        assert orm.scalars(select(RevocationRow)).all() == []
    database.dispose()


def test_a_new_database_is_upgraded_and_seeded_once(tmp_path):
    url = f"sqlite:///{tmp_path / 'new.db'}"
    run = runner(tmp_path, url)

    assert "run: flask --app app db upgrade" in run("demo", "seed").stderr
    assert run("db", "upgrade").exit_code == 0
    assert run("db", "upgrade").exit_code == 0
    assert "open" in run("demo", "seed").stdout

    assert run("waiter", "order-status", "ord-1", "InProgress").exit_code == 0
    assert "nothing was changed" in run("demo", "seed").stdout
    assert "was InProgress already" in run("waiter", "order-status", "ord-1", "InProgress").stdout


def test_setting_a_status_prints_the_new_status(run):
    assert run("waiter", "request-status", "req-1", "acknowledged").stdout == (
        "Request req-1 is now Acknowledged.\n"
    )
    assert run("waiter", "order-status", "ord-1", "in_progress").stdout == (
        "Order ord-1 is now InProgress.\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("request-status", "req-1", "Burnt"), "is none of New, Acknowledged"),
        (("request-status", "req-9", "Done"), "no such request: 'req-9'"),
        (("order-status", "ord-1", "Paid"), "cannot move from New to Paid; allowed:"),
        (("transfer", "--from", "anna", "--to", "carl"), "no such waiter: 'carl'"),
        (("transfer", "--to", "ben", "--session", "table-7", "--session", "table-8"), "table-8"),
    ],
)
def test_a_refused_change_is_one_line_and_exit_code_one(run, words, said):
    result = run("waiter", *words)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_transfer_requires_a_selection_of_sessions(run):
    result = run("waiter", "transfer", "--to", "ben")

    assert result.exit_code == 2
    assert "--from" in result.stderr


def test_transfer_moves_all_or_those_named(run, database_url):
    only = run("waiter", "transfer", "--from", "anna", "--to", "ben", "--session", "table-5")
    assert only.stdout == "Now with ben: table-5.\n"
    rest = run("waiter", "transfer", "--from", "anna", "--to", "ben", "--reason", "shift change")
    assert rest.stdout == "Now with ben: table-7.\n"

    again = run("waiter", "transfer", "--from", "anna", "--to", "ben")
    assert again.stdout == "Nothing to hand over to ben.\n"


def test_transfer_tells_the_guest_its_cause(server):
    stream = server.listen_session("table-7")
    run = runner(server.directory, server.database_url)

    run("waiter", "transfer", "--from", "anna", "--to", "ben", "--cause", "section_change")

    told = stream.next("session_transfer", timeout=2).data
    assert told["message"] == "Your waiter has been updated (section change) - Table 7"


def test_a_change_from_the_command_line_reaches_the_screens(server):
    stream = server.listen_waiter("anna")
    run = runner(server.directory, server.database_url)

    run("waiter", "order-status", "ord-1", "InProgress")

    event = stream.next("order_update", timeout=2)
    assert (event.data["orderId"], event.data["status"]) == ("ord-1", "InProgress")


@pytest.mark.parametrize(
    "words",
    [(), ("token",), ("db",), ("demo", "seed"), ("waiter",), ("waiter", "transfer"), ("watch",)],
)
def test_every_command_has_help(run, words):
    result = run(*words, "--help")

    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_the_command_line_does_not_patch_the_standard_library(tmp_path):
    code = (
        "import app; app.create_app(); from gevent import monkey;"
        "assert not any(map(monkey.is_module_patched, ['socket', 'threading', 'time']))"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={"INSTANCE_DIR": str(tmp_path)},
        check=True,
    )


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("WEB_CONCURRENCY", "2", "WEB_CONCURRENCY is 2, but"),
        ("DATABASE_URL", "sqlite://", "DATABASE_URL is 'sqlite://', but must be"),
        ("DATABASE_URL", "sqlite:////proc/no/folder.db", "the database sqlite:////proc/no/"),
    ],
)
def test_a_wrong_setting_is_one_line_without_a_traceback(tmp_path, variable, value, why):
    result = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "db", "upgrade"],
        cwd=REPOSITORY,
        env={"INSTANCE_DIR": str(tmp_path), variable: value},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: {why}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("--help",), ("nosuch",), ("token", "--help")])
def test_the_flask_command_also_reports_a_wrong_setting_in_one_line(tmp_path, words):
    result = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", *words],
        cwd=REPOSITORY,
        env={"INSTANCE_DIR": str(tmp_path), "PORT": "eighty"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "Error: PORT is 'eighty', but must be a whole number from 0 to 65535\n"


def test_missing_tables_are_reported_with_their_database(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "waiter", "order-status", "x", "Paid"],
        cwd=REPOSITORY,
        env={"INSTANCE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.stderr.startswith(
        f"Error: the database sqlite:///{tmp_path}/restaurant.db has no"
    )
    assert "run: flask --app app db upgrade" in result.stderr


def test_watch_shows_events_and_reconnects_after_a_restart(server, tmp_path):
    out = tmp_path / "watch.out"
    with out.open("wb") as file:
        watching = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "app", "watch", "session", "table-7"],
            cwd=REPOSITORY,
            env=server.env,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )

    def shows(text: str) -> Callable[[], bool]:
        return lambda: text in out.read_text()

    wait_until(shows("listening to table-7"), 10)
    server.service.update_order_status("ord-1", "InProgress")
    wait_until(shows("[ord-1: New -> InProgress]"), 5)

    server.kill()
    server.service.update_order_status("ord-1", "Complete")
    server.start()
    wait_until(lambda: "listening" in out.read_text().split("again in")[-1], 15)
    server.service.update_order_status("ord-1", "Delivered")
    wait_until(shows("[ord-1: Complete -> Delivered]"), 5)
    end(watching, 5)


@pytest.mark.parametrize("kind", ["floor", "kitchen"])
def test_watch_follows_a_floor_and_a_kitchen(server, kind):
    watching = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", "watch", kind, "main"],
        cwd=REPOSITORY,
        env=server.env,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert watching.stdout is not None
    assert b"listening to main" in watching.stdout.readline()
    server.service.update_order_status("ord-1", "InProgress")
    assert b"[ord-1: New -> InProgress]" in watching.stdout.readline()
    end(watching, 5)
    watching.stdout.close()


def test_watch_ends_when_its_output_is_closed(server):
    watching = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app", "watch", "session", "table-7"],
        cwd=REPOSITORY,
        env=server.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    assert watching.stderr is not None
    assert "listening to table-7" in watching.stdout.readline()
    watching.stdout.close()

    assert watching.wait(10) == 1
    assert watching.stderr.read() == ""
    watching.stderr.close()


@pytest.mark.parametrize(
    "url",
    ["notaurl", "ftp://127.0.0.1", "http://", "127.0.0.1:8000", "http://[::1", "http://x:99999",
     "http://..", f"http://{'a' * 64}.example"],
)  # fmt: skip
def test_watch_refuses_an_unusable_url(run, url):
    result = run("watch", "session", "table-7", "--url", url)

    assert result.exit_code == 2
    assert "such as http://127.0.0.1:8000" in result.stderr


@pytest.mark.parametrize(
    ("subject", "secret", "why"),
    [
        ("table-7", "another secret than the server's, by mistake", "401"),
        ("../health", SECRET, "ID: must be"),
        ("table-99", SECRET, "no such session: 'table-99'"),
    ],
)
def test_watch_prints_why_access_is_refused(server, subject, secret, why):
    result = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "watch", "session", subject],
        cwd=REPOSITORY,
        env=server.env | {"JWT_SECRET_KEY": secret},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: {why}")
