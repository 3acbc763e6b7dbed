"""Lua that Redis runs as one step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from notifications.redis.connection import Word


class Script:
    """One script. Redis knows it by ``sha``, the hash of its ``text``.

    Its ``ARGV[1]`` is the generation of the histories (:mod:`.generation`), which the
    link adds to each call.
    """

    __slots__ = ("sha", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        # Redis chose this hash as the name of a script; nothing is secured by it.
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    @classmethod
    def load(cls, user: str, *names: str) -> Script:
        """Return the script that ``names`` make up, read from ``lua/`` beside its user.

        ``user`` is the user's ``__file__``. The names have no suffix.
        """
        folder = Path(user).parent / "lua"
        return cls("\n".join((folder / f"{name}.lua").read_text("utf-8") for name in names))


@dataclass(frozen=True, slots=True)
class Call:
    """One script to run, on ``keys``, with ``args`` after the generation."""

    script: Script
    keys: Sequence[str] = ()
    args: Sequence[Word] = ()
