"""Runs the Python examples of one document, from top to bottom, as one program.

    python -m tests.support.run_examples docs/guide-python.md

A comment behind a ``print(...)`` says what it prints; ``...`` in it stands for
anything.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any

from tests.support.documents import Example, examples

_PRINT = re.compile(r"^\s*print\(.*?\)(?:\s+# (?P<shown>.*))?$", re.MULTILINE)


def run(example: Example, namespace: dict[str, Any]) -> None:
    """Run one example in ``namespace``; a traceback shows the document's own lines.

    Raises:
        AssertionError: its output differs from its comments.
    """
    program = compile("\n" * (example.line - 1) + example.code, str(example.path), "exec")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(program, namespace)  # noqa: S102 - our own documents
    printed = out.getvalue().splitlines()
    promised = [found["shown"] for found in _PRINT.finditer(example.code)]
    assert None not in promised, f"{example}: say behind each print what it prints"
    is_kept = len(printed) == len(promised) and all(
        re.fullmatch(".*".join(map(re.escape, text.split("..."))), line)
        for text, line in zip(promised, printed, strict=True)
    )
    assert is_kept, f"{example} says it prints\n{promised}\nbut it prints\n{printed}"


def main() -> None:
    """Run the examples of the document named on the command line."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for example in examples(Path(sys.argv[1]).resolve(), "python"):
        run(example, namespace)


if __name__ == "__main__":
    main()
