# mypy: ignore-errors
# Runs in the peer's own environment, which has other packages than ours.
"""django-eventstream on uvicorn, with its model storage, which lets a client resume."""

from __future__ import annotations

import os
import time
from pathlib import Path

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django_eventstream",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(os.environ["BENCH_DIR"]) / "eventstream.sqlite3",
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"},
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    EVENTSTREAM_STORAGE_CLASS="django_eventstream.storage.DjangoModelStorage",
    USE_TZ=True,
)
django.setup()

# After setup(): both need the settings.
import django_eventstream  # noqa: E402
from event import order_update  # noqa: E402


def publish(request: HttpRequest) -> JsonResponse:
    """Publish from a synchronous view: the model storage writes to the database."""
    ask = request.GET
    channels, first, count = int(ask["channels"]), int(ask["first"]), int(ask["count"])
    rate = float(ask["rate"])
    began = time.monotonic()
    for k in range(first, first + count):
        if rate:
            time.sleep(max(0.0, began + (k - first) / rate - time.monotonic()))
        channel = f"{ask['prefix']}{k % channels}"
        django_eventstream.send_event(channel, "order_update", order_update(k))
    return JsonResponse({"sent": count, "elapsed_ms": (time.monotonic() - began) * 1000})


urlpatterns = [
    path(
        "stream/<channel>",
        include("django_eventstream.urls"),
        {"format-channels": ["{channel}"]},
    ),
    path("publish", publish),
]
app = get_asgi_application()

if __name__ == "__main__":
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
