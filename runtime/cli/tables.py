"""Lists as tables for people; programs read the JSON."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

import click

#: Columns of a line that goes to a file or another program: it is never wrapped.
_UNLIMITED = 10_000


def echo_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print ``rows`` under ``columns``. An empty cell shows a dash, a moment its UTC."""
    # Imported here: a process that serves loads the commands too, and prints no table.
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, header_style="")
    for row in rows:
        # Not markup: a name may have square brackets.
        table.add_row(*(_shown(cell) for cell in row))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNLIMITED
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _shown(cell: object) -> str:
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}"
    return "-" if cell is None or cell == "" else str(cell)
