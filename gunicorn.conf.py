"""gunicorn's settings, each with its unit and its reason.

``gunicorn`` alone, in this directory, reads this file and serves ``wsgi:app``.
Settings come from the environment, through ``runtime/settings``.
"""

import os
import sys
from pathlib import Path

# gunicorn reads this file before it looks for the application.
_HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(_HERE))

# The master executes this file, and forks its workers before they patch what blocks.
# So what is imported here must import no driver of a database or of Redis.
from runtime.http.bounded_http import defer_handshake  # noqa: E402
from runtime.master import Master, ServiceLogger  # noqa: E402
from runtime.settings import Settings, SettingsError  # noqa: E402
from runtime.worker import StreamWorker  # noqa: E402

try:
    _settings = Settings.load()
except SettingsError as error:
    sys.exit(f"The service cannot start: {error}")

# --- what is served, and where -------------------------------------------------

wsgi_app = "wsgi:app"
chdir = str(_HERE)
proc_name = "restaurant-notifications"
bind = _settings.address

# Connections that wait to be accepted. After a restart all clients come back
# at once; the kernel caps this at net.core.somaxconn (4096 by default).
backlog = 4096

# --- processes -----------------------------------------------------------------

# One greenlet per open stream; a thread each would cost a hundred times more.
worker_class = StreamWorker
workers = _settings.web_concurrency

# Connections per worker. A full pool accepts no connection, not even a health check,
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


def ssl_context(_config, make_default):
    """Return TLS's context, where --certfile is given; the worker bounds the handshake."""
    return defer_handshake(make_default())


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
forwarded_allow_ips = _settings.forwarded_allow_ips

# --- housekeeping --------------------------------------------------------------

# Not used.
control_socket_disable = True

# Heartbeats of workers to the master are file times: keep them off slow disks.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

# nginx writes the access log. A line here would appear only when a stream ends,
# and its URL could hold a token; the service logs each stream's opening and end.
accesslog = None
errorlog = "-"
loglevel = _settings.log_level.lower()
logger_class = ServiceLogger

# --- what the master does, beside starting workers -------------------------------

_master = Master(
    _settings, shared_memory_dir=worker_tmp_dir, max_open_files=worker_connections + 100
)
on_starting = _master.prepare
nworkers_changed = _master.limit_workers
on_reload = _master.note_reload
child_exit = _master.forget_worker
on_exit = _master.clean_up
