"""What gunicorn serves."""

# First of all, before anything can import a socket, a lock or a thread that
# would then block the whole worker.
from gevent import monkey

monkey.patch_all()

from app import create_app  # noqa: E402
from runtime import logs  # noqa: E402

app = create_app()
logs.configure_from(app.extensions["settings"])
