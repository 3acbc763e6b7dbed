"""Knowing, on SQLite, whose claims on the outbox are those of the dead."""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
from pathlib import Path

from sqlalchemy.orm import Session

from waiter_service import claims
from waiter_service.errors import DatabaseUnavailable

# Linux's ``struct flock``: type, whence, start, length, process id.
_FLOCK = struct.Struct("hhqqi4x")


class RelayLock:
    """A file beside the database, of which ``claimant`` locks the byte that its name gives.

    The kernel gives a lock up with its holder, however that dies. So claims of
    a name whose byte nobody holds were left by the dead, and are void. That
    is how a server that was killed while announcing goes on at once after its
    restart, or another worker in its place, instead of waiting for its lease.
    Process ids, the other way to tell the dead from the living, come again, and
    mean nothing across containers.

    The locks are those of open files, not of processes (``F_OFD_SETLK``), so
    that two services in one process have a lock each.
    """

    def __init__(self, path: Path, claimant: str) -> None:
        self._path = path
        self._claimant = claimant
        self._file: int | None = None

    def join(self) -> bool:
        """Hold the lock. Joining again is harmless; True: the living are known.

        Raises:
            DatabaseUnavailable: the file cannot be opened or locked.
        """
        if self._file is None:
            try:
                self._file = self._open_and_lock()
            except OSError as error:
                raise DatabaseUnavailable(
                    f"{self._path} cannot be locked: {error.strerror}"
                ) from error
        return True

    def give_back_of_the_dead(self, orm: Session) -> None:
        """End the claims of those whose lock nobody holds; whoever claims has joined before."""
        for claimant in claims.claimants(orm):
            if claimant != self._claimant and not self._is_held(claimant):
                claims.give_back_all(orm, claimant=claimant)

    def leave(self) -> None:
        """Give the lock up, after the last claim."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open_and_lock(self) -> int:
        # Reading is enough for a lock in common, and an operator's script may run
        # as somebody who may not write the server's file.
        file = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _byte_of(self._claimant, fcntl.F_RDLCK))
        except OSError:
            os.close(file)
            raise
        return file

    def _is_held(self, claimant: str) -> bool:
        assert self._file is not None, "ask after joining"
        # Whether we could have it alone, which leaves it as it is.
        asked = _byte_of(claimant, fcntl.F_WRLCK)
        found, *_ = _FLOCK.unpack(fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, asked))
        return bool(found != fcntl.F_UNLCK)


def _byte_of(claimant: str, lock_type: int) -> bytes:
    # Files may be locked far beyond their end: 56 bits of whatever the name is.
    digest = hashlib.blake2b(claimant.encode(), digest_size=7).digest()
    return _FLOCK.pack(lock_type, os.SEEK_SET, int.from_bytes(digest), 1, 0)
