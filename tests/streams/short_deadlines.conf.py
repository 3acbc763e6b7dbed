"""The configuration of the service, with deadlines and a pool that tests can wait for."""

from pathlib import Path

__file__ = str(Path("gunicorn.conf.py").resolve())
exec(Path(__file__).read_text())  # noqa: S102 - as gunicorn does

from runtime.worker import StreamWorker  # noqa: E402 - the lines above put its folder on the path


class ImpatientWorker(StreamWorker):
    """A worker with short deadlines."""

    body_seconds = 1.0
    write_seconds = 1.0


worker_class = ImpatientWorker
keepalive = 1
# 20 connections are served, and 100 places are reserved for health checks.
worker_connections = 120
