"""The files that are made from the events, and the command that writes them.

``python -m notifications.contract`` writes a JSON Schema for each event into ``docs/schemas/``,
``docs/asyncapi.yaml``, and, in the other files below, the parts that list the events. It needs
PyYAML, from ``requirements-dev.txt``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from notifications.contract import asyncapi
from notifications.contract.schemas import DIALECT, description_of, schema_of
from notifications.contract.typescript import declarations
from notifications.events.catalogue import EVENTS, OF_THE_STREAM, PUBLISHED

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
_STATIC = REPOSITORY / "notifications" / "static"


def files() -> dict[Path, str]:
    """Return what the command writes: the text of each file."""
    made = {DOCS / "schemas" / f"{kind.event_type}.json": "" for kind in EVENTS}
    for path, kind in zip(made, EVENTS, strict=True):
        example = kind.example().to_wire()
        schema = {"$schema": DIALECT, **schema_of(kind), "examples": [example]}
        made[path] = json.dumps(schema, indent=2) + "\n"
    made[DOCS / "asyncapi.yaml"] = asyncapi.as_yaml()
    guide, types = DOCS / "events.md", _STATIC / "notifications.d.ts"
    made[guide] = _with_part(guide.read_text(), "events", _events_table())
    made[guide] = _with_part(made[guide], "sentences", _sentences_table())
    made[types] = _with_part(types.read_text(), "events", declarations())
    for path, name, kinds in (
        (_STATIC / "notifications.js", "EVENT_TYPES", PUBLISHED),
        (_STATIC / "notifications.js", "OWN_TYPES", OF_THE_STREAM),
        (DOCS / "guide-frontend.md", "TYPES", EVENTS),
    ):
        text = made.get(path) or path.read_text()
        made[path] = _with_list(text, name, [kind.event_type for kind in kinds])
    return made


def main() -> None:
    """Write them."""
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def _events_table() -> str:
    rows = (
        f"| `{kind.event_type}` | {' '.join(description_of(kind).split())} | {kind.goes_to} |"
        for kind in (*PUBLISHED, *OF_THE_STREAM)
    )
    return "\n".join(["| event | says | goes to |", "|---|---|---|", *rows]) + "\n"


def _sentences_table() -> str:
    rows = (
        f"| `{code}` | {sentence} |"
        for kind in PUBLISHED
        for code, sentence in kind.sentences.items()
    )
    return "\n".join(["| `code` | `message` |", "|---|---|", *rows]) + "\n"


def _with_part(text: str, name: str, made: str) -> str:
    """Return ``text`` with ``made`` between the two comments that mark the part ``name``."""
    begin = rf"made by `python -m notifications\.contract`: {name}\b[^\n]*\n"
    end = rf"[^\n]*end: {name}\b"
    new, found = re.subn(
        f"({begin}).*?({end})", lambda marks: marks[1] + made + marks[2], text, flags=re.DOTALL
    )
    if found != 1:
        raise ValueError(f"the comments around the part {name!r} are missing")
    return new


def _with_list(text: str, name: str, values: Iterable[str]) -> str:
    """Return the JavaScript in ``text`` with the constant ``name`` listing ``values``."""
    lines = [f"const {name} = ["]
    for value in values:
        if len(f'{lines[-1]}"{value}", ') > 98:
            lines.append("  ")
        lines[-1] += f'"{value}", '
    made = "\n".join(line.rstrip() for line in lines).removesuffix(",") + "];"
    new, found = re.subn(rf"const {name} = \[[^\]]*\];", made, text)
    if found != 1:
        raise ValueError(f"the constant {name} is missing")
    return new
