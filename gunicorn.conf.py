"""gunicorn's settings, each with its unit and its reason.

``gunicorn`` alone, in this directory, reads this file and serves ``wsgi:app``.
Settings come from the environment, through ``settings.py``.
"""

import gc
import mmap
import os
import resource
import signal
import sys
import time
from pathlib import Path

from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

# gunicorn reads this file before it looks for the application.
_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE))

import logs  # noqa: E402
import metrics_directory  # noqa: E402
from settings import Settings, SettingsError  # noqa: E402
from waiter_service.errors import DatabaseError  # noqa: E402

try:
    _settings = Settings.load()
except SettingsError as error:
    sys.exit(f"The service cannot start: {error}.")

# --- what is served, and where -------------------------------------------------

wsgi_app = "wsgi:app"
chdir = str(_HERE)
proc_name = "restaurant-notifications"
bind = f"{_settings.host}:{_settings.port}"

# Connections that wait to be accepted. After a restart all clients come back
# at once; the kernel caps this at net.core.somaxconn (4096 by default).
backlog = 4096

# --- processes -----------------------------------------------------------------

# One greenlet per open stream; a thread each would cost a hundred times more.
worker_class = "gevent"
workers = _settings.web_concurrency

# Connections per worker. A full pool accepts nobody, not even a health check,
# so streams are refused (503, Retry-After) a thousand connections earlier.
worker_connections = _settings.max_streams_per_worker + 1000

# Each worker must monkey-patch before it imports the application, and must open
# its own connections to the database and to Redis.
preload_app = False

# Seconds without a sign of life from a worker's event loop before it is killed
# and replaced. It signals once a second however long its streams live, so this
# only strikes a loop that is stuck.
timeout = 30

# Seconds a stopping worker has before SIGKILL. The streams are sent away within
# SSE_DRAIN_SECONDS; before that, pending refreshes, a flush under way and its
# claims may keep it waiting 5 s each, where the database or Redis hangs. With
# 10 s more a hung flush alone left half a second: the last stream went at 19.3.
graceful_timeout = int(_settings.drain_seconds) + 20

# Never recycled by count: a stream is one request, and ending ten thousand of
# them to cure a leak would hide the leak.
max_requests = 0

# --- connections ---------------------------------------------------------------

# Seconds an idle connection is kept for its next request, and a request's head
# may take to arrive. nginx keeps its connections for less (deploy/), so that it
# never reuses one that is just being closed.
keepalive = 5

# The parser in C, and a refusal to start without it: the Python one doubles a
# connect's CPU, which is what a storm of reconnects consists of.
http_parser = "fast"

# Bytes of a request line. Tokens in a query string are short-lived stream
# tokens of about 500 bytes; the rest is paths.
limit_request_line = 4094
# Headers of a request, and bytes of each: a platform's token may hold claims.
limit_request_fields = 64
limit_request_field_size = 8190

# Whose X-Forwarded-* headers are believed: the nginx on this machine, unless
# FORWARDED_ALLOW_IPS names others.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")

# --- housekeeping --------------------------------------------------------------

# Not used, and one door less.
control_socket_disable = True

# One byte in memory that the master shares with its workers: whether any has
# ever served. A reload makes another; what it starts are replacements anyway.
_has_served = mmap.mmap(-1, 1)

# Heartbeats of workers to the master are file times: keep them off slow disks.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

# nginx writes the access log. A line here would appear only when a stream ends,
# and its URL could hold a token; the service logs each stream's opening and end.
accesslog = None
errorlog = "-"
loglevel = _settings.log_level.lower()


class _Logger(Logger):
    """gunicorn's logger, writing in the service's form from its first line on.

    Not ``logconfig_dict``: that would switch the access log on again.
    """

    def setup(self, cfg):
        super().setup(cfg)
        logs.configure(_settings.log_format, _settings.log_level)


logger_class = _Logger


def on_starting(server):
    """Say once what the settings leave to be desired; prepare what the workers inherit."""
    for warning in _settings.warnings:
        server.log.warning(warning)

    metrics_directory.prepare(worker_tmp_dir, workers=server.cfg.workers)

    # Each stream is an open file.
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = worker_connections + 100
    if hard != resource.RLIM_INFINITY and hard < needed:
        server.log.warning(
            "the system allows %d open files, but %d streams per worker need %d: "
            "raise the limit (LimitNOFILE= in systemd, ulimit -n in a shell) "
            "or lower SSE_MAX_STREAMS_PER_WORKER",
            hard,
            _settings.max_streams_per_worker,
            needed,
        )


def post_worker_init(worker):
    """Start what runs beside the requests, in the process that serves them.

    A first worker that cannot use the database, or whose names in Redis are
    another deployment's, gives up, and the master with it. Once any has served,
    and for one that replaces another, it waits: the master would end the other
    workers, and all of their streams, for a database that is away.
    """
    # Not in the master, which must stay without what its workers patch.
    from notifications.brokers.base import PrefixTaken

    is_replacement = worker.age > worker.cfg.workers
    is_known = False
    while True:
        try:
            _serving(worker).start(is_wanted=lambda: worker.alive)
            _has_served[0] = 1
            _ask_at_the_door(worker)
            _spare_the_collector()
            return
        except (DatabaseError, PrefixTaken) as error:
            # The sentence says what to do; a traceback would only bury it.
            if not (is_replacement or _has_served[0]):
                worker.log.error("The service cannot start: %s", error)  # noqa: TRY400
                sys.exit(Arbiter.WORKER_BOOT_ERROR)  # upon which the master gives up
            if not is_known:
                awaited = "database" if isinstance(error, DatabaseError) else "prefix"
                worker.log.warning("This worker waits for the %s: %s", awaited, error)
                is_known = True
        worker.notify()
        time.sleep(1)  # gevent's, since the worker has patched it
        if not worker.alive:
            sys.exit(0)


def worker_int(worker):
    """Close everything at once: SIGINT (Ctrl-C) and SIGQUIT ask for a quick end."""
    # Ctrl-C comes twice, from the terminal and through the master; the second
    # would raise SystemExit into the middle of the first one's goodbye.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    if serving := _serving(worker):
        serving.stop()


def worker_exit(server, worker):
    """Do not end before the streams have been sent away, which SIGTERM set off."""
    if serving := _serving(worker):
        serving.drain()


def child_exit(server, worker):
    """Leave a dead worker out of the figures, even one that was killed."""
    metrics_directory.forget_worker(worker.pid)


def on_exit(server):
    """Tidy up after the last worker."""
    metrics_directory.remove()


def _ask_at_the_door(worker):
    """Let streams in by the short way, before gunicorn makes a request of a connection."""
    door, handle = worker.wsgi.extensions["stream_door"], worker.handle
    worker.wsgi.extensions["stream_entrance"].trust(worker.cfg.forwarded_allow_ips)

    def ask_first(listener, client, address):
        # As long as gunicorn would wait for a head.
        client.settimeout(worker.cfg.keepalive or None)
        if not door.answer(client, address):
            handle(listener, client, address)

    worker.handle = ask_first


def _spare_the_collector():
    """Have garbage looked for where there may be some, and seldom.

    What start-up has made stays for good, and an open stream is made of a dozen
    objects without a cycle among them. To walk through all that again and
    again was a sixth of what a connect costs.
    """
    gc.collect()
    gc.freeze()
    # Objects made and not yet let go of, before the youngest are looked through:
    # 700 by default, which is some ten streams.
    gc.set_threshold(50_000, 20, 50)


def _serving(worker):
    # A worker whose application failed to load serves nothing, and its own
    # error is the one worth reading.
    application = getattr(worker, "wsgi", None)
    return getattr(application, "extensions", {}).get("serving")
