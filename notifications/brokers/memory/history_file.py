"""The memory broker's history, between one process and the next.

A process writes it when it is told to stop (a deploy, say), and the next one reads it, so
that clients resume as if nothing had happened. After a crash there is no file: every
channel begins another epoch, and clients are told to load everything again.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger("notifications.broker")

#: To be raised whenever the layout changes: a file of another version is not read.
VERSION = 4


@dataclass(frozen=True, slots=True)
class SavedChannel:
    """One channel: ``history`` holds (Unix seconds, event body with its id) pairs."""

    epoch: str
    offset: int
    history: list[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class SavedHistory:
    """All channels by name, and all keys with the moment from which each may be forgotten.

    ``remembered`` is the text that is remembered with the histories.
    """

    channels: dict[str, SavedChannel]
    keys: dict[str, float]
    remembered: str | None = None


def write(path: Path, saved: SavedHistory) -> None:
    """Write ``saved`` to ``path``, whole or not at all; readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        json.dump({"version": VERSION, **asdict(saved)}, file)
    temporary.replace(path)


def take(path: Path) -> SavedHistory | None:
    """Read and remove ``path``; return None if it is missing or cannot be read.

    It is removed before it is used. If it were read a second time, after a crash, ids
    that clients have seen would be given to other events.
    """
    try:
        text = path.read_text()
        path.unlink()
    except FileNotFoundError:
        return None
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            return None
        return SavedHistory(
            {
                name: SavedChannel(
                    channel["epoch"],
                    channel["offset"],
                    [(moment, block) for moment, block in channel["history"]],
                )
                for name, channel in document["channels"].items()
            },
            document["keys"],
            document["remembered"],
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        log.warning("the saved history cannot be read; clients will load everything again")
        return None
