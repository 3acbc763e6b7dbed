"""A secret that an installation creates for itself, once."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path


def read_or_create(path: Path) -> str:
    """Return the secret kept in ``path``; create it if there is none.

    Safe for processes that start together: the secret is written whole under another name and
    then linked, which only the first process can do; the others read the one it linked.
    Mode 0600, in a directory created with mode 0700.

    Raises:
        OSError: the file or its directory cannot be read or created.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _create(path)
    secret = path.read_text().strip()
    if not secret:
        # Not written by us: perhaps by a full disk or an editor.
        raise OSError(0, f"{path} is empty; remove it and a new one is made")
    return secret


def _create(path: Path) -> None:
    # mkstemp opens with O_EXCL and mode 0600.
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first, and its secret is as good
    finally:
        Path(draft).unlink()
