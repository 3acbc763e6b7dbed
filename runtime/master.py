"""What gunicorn's master does for this service, besides starting workers.

The master imports this module before any worker has patched blocking functions. So nothing
here may import the driver of a database or of Redis.
"""

from __future__ import annotations

import os
import resource
import sys

from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from runtime import logs
from runtime.http.port import require_port
from runtime.log_writer import LogWriter
from runtime.metrics import directory
from runtime.settings import Settings, SettingsError, require_redis_for
from runtime.worker import StreamWorker

#: Seconds for which a port may stay in use: a worker whose master was killed ends within
#: a second or two. A guess.
PORT_PATIENCE_SECONDS = 5.0


class ServiceLogger(Logger):
    """gunicorn's logger, in the service's format from its first line on.

    Not ``logconfig_dict``: that would switch the access log on again.
    """

    def setup(self, cfg: Config) -> None:
        """Apply gunicorn's settings, then ours."""
        super().setup(cfg)
        logs.configure_from(Settings.load(), writer=LogWriter())


class Master:
    """gunicorn's hooks in the master process.

    Workers share their figures in ``shared_memory_dir``; None is the system's directory for
    temporary files. ``max_open_files`` is the number that one worker may need.
    """

    def __init__(
        self, settings: Settings, *, shared_memory_dir: str | None, max_open_files: int
    ) -> None:
        self._settings = settings
        self._shared_memory_dir = shared_memory_dir
        self._max_open_files = max_open_files

    def prepare(self, arbiter: Arbiter) -> None:
        """Prepare what the workers inherit; exit if they could not work together or listen."""
        log = arbiter.log
        assert log is not None
        try:
            # WEB_CONCURRENCY has been checked with the settings; gunicorn's own options have not.
            require_redis_for(arbiter.cfg.workers, self._settings.redis_url, asked_by="--workers")
            _require_ports(arbiter)
        except SettingsError as error:
            # One sentence, as it is printed before there is a log: people search for it.
            log.error("The service cannot start: %s", error)  # noqa: TRY400
            if arbiter.pidfile is not None:
                arbiter.pidfile.unlink()
            sys.exit(1)
        directory.prepare(self._shared_memory_dir, workers=arbiter.cfg.workers)

        # Each stream is an open file.
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        if hard != resource.RLIM_INFINITY and hard < self._max_open_files:
            log.warning(
                "the system allows too few open files for so many streams per worker: "
                "raise the limit (LimitNOFILE= in systemd, ulimit -n in a shell) "
                "or lower SSE_MAX_STREAMS_PER_WORKER",
                extra={
                    "fields": {
                        "allowed": hard,
                        "needed": self._max_open_files,
                        "streams": self._settings.max_streams_per_worker,
                    }
                },
            )

    def limit_workers(self, arbiter: Arbiter, wanted: int, before: int | None) -> None:
        """Refuse a further worker (SIGTTIN) that could only stand by."""
        if before is None or wanted <= 1 or self._settings.redis_url:
            return
        assert arbiter.log is not None
        arbiter.log.error(
            "no worker was added: several hear of each other's events only through Redis; "
            "set REDIS_URL"
        )
        arbiter.num_workers = 1

    def note_reload(self, arbiter: Arbiter) -> None:
        """Tell the workers that they are being replaced: each serves until another worker can."""
        StreamWorker.shared.note_reload(arbiter.worker_age)

    def forget_worker(self, _arbiter: Arbiter, worker: Worker) -> None:
        """Remove a dead worker from the figures, even one that was killed."""
        directory.forget_worker(int(worker.pid))

    def clean_up(self, _arbiter: Arbiter) -> None:
        """Remove what ``prepare`` created, after the last worker has ended."""
        directory.remove()


def _require_ports(arbiter: Arbiter) -> None:
    """Check the ports that gunicorn is about to listen on.

    Without this it would write five times, in its own words, that one is in use.
    """
    if arbiter.cfg.reuse_port or not {"GUNICORN_FD", "LISTEN_FDS"}.isdisjoint(os.environ):
        # A former master or systemd listens already, for us.
        return
    for address in arbiter.cfg.address:
        if isinstance(address, tuple):
            require_port(address[0], address[1], patience_seconds=PORT_PATIENCE_SECONDS)
