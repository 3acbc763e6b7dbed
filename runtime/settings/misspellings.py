"""Which names in the environment are settings with a typing mistake."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def intended_setting(name: str, settings: Collection[str]) -> str | None:
    """Return the setting that ``name`` almost is, or None if it is another program's variable.

    A name with our prefix that resembles no setting gives "".
    """
    if name in settings:
        return None
    meant = next((each for each in settings if _is_almost(name, each)), None)
    if meant is None and name.startswith("SSE_"):
        return next(iter(difflib.get_close_matches(name, settings, n=1)), "")
    return meant


def _is_almost(name: str, setting: str) -> bool:
    """Return whether ``name`` is ``setting`` with one or two typing mistakes.

    Short names are left alone: the variables of other programs are often as
    close to them. REDIS_PORT, which Kubernetes sets for a service called redis,
    is further from every setting than two mistakes.
    """
    if len(setting) < 7 or abs(len(name) - len(setting)) > 2:
        return False
    typed = name.upper()
    # Levenshtein's distance, one row at a time.
    row = list(range(len(setting) + 1))
    for i, char in enumerate(typed, 1):
        above, row = row, [i]
        for j, wanted in enumerate(setting, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (char != wanted)))
        if min(row) > 2:
            # The distance only grows from here. Stopping early matters because every start
            # compares every variable of the environment.
            return False
    return row[-1] <= 2
