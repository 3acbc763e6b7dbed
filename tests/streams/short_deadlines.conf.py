"""The service's own configuration, with deadlines and a pool that tests can wait for."""

from pathlib import Path

__file__ = str(Path("gunicorn.conf.py").resolve())
exec(Path(__file__).read_text())  # noqa: S102 - as gunicorn does

from runtime.worker import StreamWorker  # noqa: E402 - its folder is on the path now


class ImpatientWorker(StreamWorker):
    """A worker that waits for nobody."""

    body_seconds = 1.0
    write_seconds = 1.0


worker_class = ImpatientWorker
keepalive = 1
# 20 are served, and 100 places are kept for health checks.
worker_connections = 120
