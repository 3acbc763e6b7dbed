"""Everything that the operator is told to look for exists."""

import ast
import re
from pathlib import Path

import gunicorn
import yaml

from notifications.entrance.problem_types import ProblemCode
from notifications.streams.stream import CloseReason
from tests.support.documents import DOCUMENTS, inline_code
from tests.support.programs import REPOSITORY

GUIDE = REPOSITORY / "docs" / "troubleshooting.md"
SPANS = inline_code(GUIDE)
MODULES = [
    path
    for room in ("api", "runtime", "notifications", "waiter_service")
    for path in sorted((REPOSITORY / room).rglob("*.py"))
]


def test_every_metric_exists(server):
    page = server.get("/metrics").text
    families = set(re.findall(r"^# TYPE (\w+) ", page, re.MULTILINE))

    for path in DOCUMENTS:
        named = {
            name for span in inline_code(path) for name in re.findall(r"\brestaurant_\w+", span)
        }
        assert named <= families, path.name


def test_every_reason_cause_and_code_exists(server):
    labels = set(re.findall(r'="(\w+)"', server.get("/metrics").text))
    scripts = (REPOSITORY / "notifications" / "static").glob("*.js")
    codes_of_javascript = set(re.findall(r'"([a-z_]+)"', "".join(map(Path.read_text, scripts))))
    problem_codes = {code.value for code in ProblemCode}
    closing_codes = {reason.code for reason in CloseReason}

    for span in SPANS:
        name, _, value = span.rpartition("=")
        if name == "reason":
            assert value in closing_codes, span
        elif name == "cause":
            assert value in labels, span
        elif is_one_word(span) and span not in FOREIGN_WORDS:
            assert span in labels | closing_codes | codes_of_javascript | problem_codes, span


#: Words of PostgreSQL, nginx and Compose.
FOREIGN_WORDS = {"pg_stat_activity", "worker_shutdown_timeout", "stop_grace_period"}


def is_one_word(span):
    return re.fullmatch(r"[a-z]+(_[a-z]+)+", span) and not span.startswith("restaurant_")


def test_every_alert_exists():
    rules = yaml.safe_load((REPOSITORY / "deploy" / "prometheus" / "alerts.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}

    named = set(re.findall(r"[Aa]lert `(\w+)`", GUIDE.read_text()))
    assert named
    assert named <= alerts


def test_every_log_line_exists():
    lines = list(log_lines())
    assert len(lines) > 30, "the test finds too few log lines in the code"

    for span in SPANS:
        found = re.fullmatch(r"([a-z_.]+): (.+)", span)
        if found and found[1] == "gunicorn.error":
            template = re.sub(r"\b\d+|SIG\w+", "%s", found[2])
            assert template in gunicorn_sources(), span
        elif found:
            assert any(is_like(*line, *found.groups()) for line in lines), span


def test_every_quoted_sentence_is_in_the_code():
    source = "".join(map(Path.read_text, MODULES))

    for span in SPANS:
        if re.fullmatch(r"[A-Z][a-z]+ .*[.:]", span):
            assert span in source, span


def is_like(logger, template, named_logger, named_text):
    """Return whether a line can be the one whose beginning is given."""
    constant = template.partition("%")[0]
    begins = constant.startswith(named_text) or (constant and named_text.startswith(constant))
    return logger == named_logger and begins


def log_lines():
    """Yield logger and message of every line that the product's code may log."""
    for path in MODULES:
        tree = ast.parse(path.read_text())
        module = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        logger = next(map(logger_of, filter(is_logger, ast.walk(tree))), None) or module
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and re.match(r"(log|logger)\.\w+\(", ast.unparse(node)):
                texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
                yield from ((logger, text) for text in texts[:1])
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "RepeatedFailure":
                said = [each.value for each in node.keywords if each.arg in ("begins", "ends")]
                yield from ((logger, ast.literal_eval(each)) for each in said)


def is_logger(node):
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger"


def logger_of(call):
    """Return the logger's name, or None for the logger of the module."""
    return call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None


def gunicorn_sources():
    """Return the source of everything that gunicorn may log, with our master and worker."""
    package = Path(gunicorn.__file__).parent
    runtime = REPOSITORY / "runtime"
    sources = [package / "arbiter.py", runtime / "master.py", runtime / "worker.py"]
    return "".join(source.read_text() for source in sources)
