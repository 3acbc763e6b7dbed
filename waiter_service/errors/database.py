"""The database cannot be used."""

from __future__ import annotations

from waiter_service.errors.base import WaiterServiceError


class DatabaseError(WaiterServiceError):
    """The database cannot be used; the message says what to do."""


class DatabaseUrlInvalid(DatabaseError):
    """DATABASE_URL does not name a database that this service can use."""


class DatabaseSchemaInvalid(DatabaseError):
    """DATABASE_SCHEMA does not name a schema that can hold the tables."""


class CreatedBeforeFork(DatabaseError):
    """The service was created in a parent process and is used in a fork of it.

    ``made_by`` and ``used_by`` are the ids of the two processes.
    """

    def __init__(self, database: str, *, made_by: int, used_by: int) -> None:
        super().__init__(
            f"the service on the database {database} was made by process {made_by}, and process "
            f"{used_by} is a fork of it, which cannot use it; make a WaiterService (or Database) "
            "in each process, after the fork: in gunicorn's post_fork, in Celery's "
            "worker_process_init, or in the function that multiprocessing calls"
        )
        self.made_by = made_by
        self.used_by = used_by


class DatabaseUnavailable(DatabaseError):
    """The database does not answer, or was locked for too long."""


class DatabaseInUse(DatabaseError):
    """The database cannot be replaced while a process has it open; ``pid`` if it is known."""

    def __init__(self, path: object, pid: int | None) -> None:
        who = "a process" if pid is None else f"process {pid}"
        super().__init__(
            f"{path} is in use: {who} has it open; stop the service and whatever else uses it first"
        )
        self.pid = pid


class BackupFailed(DatabaseError):
    """The database could not be backed up or restored."""


class SchemaOutOfDate(DatabaseError):
    """The database has another schema than this code expects."""

    def __init__(self, database: str, *, found: str | None, expected: str) -> None:
        state = f"is at schema {found}" if found else "has no tables of this service"
        super().__init__(
            f"the database {database} {state}, but this code expects schema {expected}; "
            "run: flask --app app db upgrade (or deploy newer code if the schema is ahead, or "
            "set DATABASE_SCHEMA if the tables are another program's)"
        )
        self.found = found
        self.expected = expected
