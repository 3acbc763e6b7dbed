"""Log lines are readable by people or by machines, and hold no token."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import datetime

import jwt
import pytest

import logs

TOKEN = jwt.encode({"sub": "anna"}, "x" * 32, algorithm="HS256")
UNSIGNED = jwt.encode({"sub": "anna"}, None, algorithm="none")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Configuring logs is for the whole process; put it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


@pytest.fixture(params=["text", "json"])
def log_format(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    logs.configure(chosen, "INFO")
    return chosen


@pytest.mark.parametrize("token", [TOKEN, UNSIGNED])
@pytest.mark.parametrize("logger", ["notifications", "gunicorn.error", "gunicorn.access"])
def test_a_token_reaches_no_line(log_format, capsys, token, logger):
    log = logging.getLogger(logger)
    log.info("GET /sse/waiter/anna?token=%s", token)
    log.info("refused", extra={"fields": {"header": f"Bearer {token}", "cookie": [token]}})
    log.info("the token %s is expired", token)
    try:
        raise ValueError(f"cannot decode {token}")
    except ValueError:
        log.exception("failed")

    written = capsys.readouterr().err
    assert written.count("redacted") >= 5
    assert not any(part in written for part in token.split(".") if part)


@pytest.mark.parametrize("before", ["token%3D", "_", "x", "redirect=%2Fsse%3Ftoken%3D"])
def test_a_token_is_found_in_the_middle_of_a_word_too(before):
    assert logs.redact(f"GET /{before}{TOKEN} HTTP/1.1") == f"GET /{before}[redacted] HTTP/1.1"


def test_looking_for_tokens_takes_no_longer_than_the_text_is_long():
    # Milliseconds; a pattern that tries again from each "eyJ" took 5 s.
    text = "eyJ" * 20_000
    began = time.process_time()
    assert logs.redact(text) == text
    assert time.process_time() - began < 1.0


def test_an_opaque_token_in_a_query_is_redacted_and_the_rest_kept(log_format, capsys):
    logging.getLogger("x").info("GET /sse?token=s3cret&lastEventId=a-1")

    written = capsys.readouterr().err
    assert "s3cret" not in written
    assert "token=[redacted]&lastEventId=a-1" in written


def test_text_is_one_line_with_its_fields(capsys):
    logs.configure("text", "INFO")
    logging.getLogger("x").info("stream closed", extra={"fields": {"why": "a b", "seconds": 1.5}})

    line = capsys.readouterr().err
    assert line.endswith(" INFO x: stream closed why='a b' seconds=1.5\n")
    assert datetime.fromisoformat(line.split()[0]).tzinfo is not None


def test_nobody_can_forge_a_line(capsys):
    logs.configure("text", "INFO")
    logging.getLogger("x").info(
        "note: %s", "hot\n2024 ERROR x: fire", extra={"fields": {"a": "\n"}}
    )

    assert capsys.readouterr().err.count("\n") == 1


def test_json_is_one_object_a_line_and_fields_cannot_replace_its_own(capsys):
    logs.configure("json", "INFO")
    log = logging.getLogger("x")
    log.info("hello\nworld", extra={"fields": {"stream": "k3", "level": "forged"}})
    try:
        raise KeyError("y")
    except KeyError:
        log.exception("failed")

    hello, failed = map(json.loads, capsys.readouterr().err.splitlines())
    assert hello["timestamp"].endswith("Z")
    assert (hello["level"], hello["logger"]) == ("INFO", "x")
    assert (hello["message"], hello["stream"]) == ("hello\nworld", "k3")
    assert "KeyError: 'y'" in failed["exception"]


def test_configuring_twice_writes_once_and_leaves_others_handlers_alone(capsys):
    class Counting(logging.Handler):
        seen = 0

        def emit(self, record: logging.LogRecord) -> None:
            self.seen += 1

    other = Counting()
    logging.getLogger().addHandler(other)
    logs.configure("text", "INFO")
    logs.configure("text", "INFO")
    logging.getLogger("x").info("once")

    assert capsys.readouterr().err.count("once") == 1
    assert other.seen == 1


def test_the_level_is_kept(capsys):
    logs.configure("text", "WARNING")
    logging.getLogger("x").info("quiet")
    logging.getLogger("gunicorn.error").info("quiet")

    assert capsys.readouterr().err == ""


def test_a_server_writes_json_from_its_first_line_on(start_server):
    server = start_server(LOG_FORMAT="json")
    with server.listen_waiter("anna"):
        pass
    server.stop()

    lines = [json.loads(line) for line in server.log.splitlines()]
    assert lines[0]["message"].startswith("Starting gunicorn")
    assert {"timestamp", "level", "logger", "message"} <= set.intersection(*map(set, lines))
