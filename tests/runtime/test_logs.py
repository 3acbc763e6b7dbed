"""Log lines are readable by people or by machines, and hold no token."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from datetime import datetime

import jwt
import pytest

from notifications.entrance import request_id
from runtime import logs

TOKEN = jwt.encode({"sub": "anna"}, "x" * 32, algorithm="HS256")
UNSIGNED = jwt.encode({"sub": "anna"}, "", algorithm="none")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Restore the logging configuration, which applies to the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    request_id._current.set(None)
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
def test_a_token_in_the_middle_of_a_word_is_redacted_too(before):
    assert logs.redact(f"GET /{before}{TOKEN} HTTP/1.1") == f"GET /{before}[redacted] HTTP/1.1"


def test_the_search_for_tokens_takes_linear_time():
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
    assert " INFO x: stream closed why='a b' seconds=1.5 pid=" in line
    assert line.endswith(" instance=-\n")
    assert datetime.fromisoformat(line.split()[0]).tzinfo is not None


FORGED = "2024-01-15T10:30:00.000Z ERROR x: fire"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028"])
def test_no_value_can_forge_a_line(log_format, capsys, end):
    log = logging.getLogger("x")
    log.info("note: %s", f"hot{end}{FORGED}", extra={"fields": {"a": f"{end}{FORGED}"}})
    try:
        raise ValueError(f"bad{end}{FORGED}")
    except ValueError:
        log.exception("failed")

    for line in capsys.readouterr().err.splitlines():
        assert not line.startswith(FORGED)
        assert line[:1] in "{2 "


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x202E, 0x2066])
def test_no_control_character_reaches_a_line(log_format, capsys, code):
    log = logging.getLogger("x")
    log.info("note %s", f"a{chr(code)}b", extra={"fields": {"note": f"c{chr(code)}d"}})
    try:
        raise ValueError(f"e{chr(code)}f")
    except ValueError:
        log.exception("failed")

    written = capsys.readouterr().err
    assert all(character == "\n" or character.isprintable() for character in written)
    if chr(code) != "\n":
        assert chr(code) not in written


def test_a_value_cannot_forge_a_field(capsys):
    logs.configure("text", "INFO")
    logging.getLogger("x").info("raised", extra={"fields": {"item": "tea pid=1", "note": "a='b"}})

    line = capsys.readouterr().err
    assert "item='tea pid=1'" in line
    assert 'note="a=\'b"' in line


def test_no_value_makes_a_line_long(log_format, capsys):
    long = "x" * 100_000
    log = logging.getLogger("x")
    log.info("note %s", long, extra={"fields": {"a": long, "b": [long], "c": {long: 1}}})
    try:
        raise ValueError(long)
    except ValueError:
        log.exception("failed")

    written = capsys.readouterr().err
    assert len(written) < 20_000
    assert "(100005 characters)" in written


def test_a_token_that_is_cut_is_still_redacted(log_format, capsys):
    logging.getLogger("x").info("seen", extra={"fields": {"url": "x" * 450 + TOKEN}})

    written = capsys.readouterr().err
    assert not any(part in written for part in TOKEN.split("."))
    assert "eyJ" not in written


def test_a_line_names_its_process_server_and_request(capsys):
    logs.configure("json", "INFO", instance="web1:8000")
    request_id.begin("abc-1")
    logging.getLogger("x").info("hello", extra={"fields": {"pid": 0, "instance": "forged"}})

    line = json.loads(capsys.readouterr().err)
    assert (line["pid"], line["instance"], line["requestId"]) == (os.getpid(), "web1:8000", "abc-1")


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


def test_configuring_twice_adds_one_handler_and_keeps_those_of_others(capsys):
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
